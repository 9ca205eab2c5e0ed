"""A client for a running host with the toy app."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from local import serve
from tests.cpu import cpu_seconds
from tests.waiting import wait

ARGUMENTS = ("--app", "tests.local.toy_app:app", "--graph", "http://127.0.0.1:9", "--lease", "1")


class Host:
    """Starts and follows orchestrations over HTTP, as a caller does."""

    def __init__(self, serving: serve.Serving) -> None:
        self.serving = serving
        self.http = httpx.Client(base_url=serving.url, trust_env=False, timeout=60)
        self.instances = "/runtime/webhooks/durabletask/instances"

    def start(self, name: str, given: Any, instance: str = "") -> str:
        answer = self.http.post(f"/api/start/{name}/{instance or uuid4()}", content=json.dumps(given))
        assert answer.status_code == 202, answer.text
        return answer.text

    def status(self, instance: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"{self.instances}/{instance}").json()
        return found

    def end(self, instance: str) -> dict[str, Any]:
        """The status once it is no longer running."""
        self.wait(lambda: self.http.get(f"{self.instances}/{instance}").status_code == 200, instance)
        return self.status(instance)

    def run(self, name: str, given: Any) -> Any:
        ended = self.end(self.start(name, given))
        assert ended["runtimeStatus"] == "Completed", ended
        return ended["output"]

    def raise_event(self, instance: str, name: str, value: Any = None) -> int:
        """As the SDK's client sends it: a JSON text inside a JSON string."""
        path = f"{self.instances}/{instance}/raiseEvent/{name}"
        return self.http.post(path, json=json.dumps(value)).status_code

    def wait(self, condition: Callable[[], Any], what: str = "") -> None:
        wait(condition, lambda: f"{what} {self.log()}")

    def log(self) -> str:
        return (self.serving.data / "serve.log").read_text(errors="replace")[-3000:]

    def pids(self) -> dict[str, int]:
        return serve.look(self.serving.data).pids

    def cpu_seconds(self) -> float:
        """Of its processes."""
        return cpu_seconds(self.pids().values())
