"""The caller of the API: as patient as a Logic App. What breaks off or gets no proper answer is sent again."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient

from local.chaos.changes import Changes
from local.chaos.judge import Evidence, Json
from local.chaos.kinds import SCOPES
from local.chaos.stage import Stage, StageError
from shared.storage.names import ENDED

PAUSE_SECONDS = 0.1
CONTAINER = "exports"


def ask(stage: Stage, deadline: float, method: str, path: str, **options: Any) -> httpx.Response:
    """An answer of the app itself. A new `serve` has another address: it is looked up each time."""
    return _send(deadline, method, lambda: f"{stage.serving.url}{path}", **options)


def _send(deadline: float, method: str, url: Callable[[], str], **options: Any) -> httpx.Response:
    """Broken connections, 503 and the host's own empty 500 are asked again until `deadline`."""
    problem = ""
    while time.monotonic() < deadline:
        try:
            answer = httpx.request(method, url(), timeout=60, trust_env=False, **options)
        except httpx.TransportError as error:
            problem = type(error).__name__
        else:
            if answer.status_code < 500 or (answer.status_code != 503 and answer.content):
                return answer
            problem = f"{answer.status_code} {answer.text[:200]}"
        time.sleep(PAUSE_SECONDS)
    raise StageError(f"{method} {url()} got no answer ({problem})")


def post(stage: Stage, deadline: float, key: str, columns: str, users: Sequence[str] = (), **file: Any) -> str:
    """Starts an export, of all users or of some, and returns its id; the same key again gives the same.

    `file`: what else the request says, of the format and of the scope.
    """
    body = {"fileName": "users", "columns": columns} | ({"users": users} if users else {}) | file
    answer = ask(stage, deadline, "POST", "/api/exports", json=body, headers={"Idempotency-Key": key})
    if answer.status_code != 202:
        raise StageError(f"POST answers {answer.status_code}: {answer.text[:500]}")
    return str(answer.json()["id"])


def cancel(stage: Stage, deadline: float, export_id: str) -> None:
    """202, or 409 when it has ended before."""
    answer = ask(stage, deadline, "POST", f"/api/exports/{export_id}/cancel")
    if answer.status_code not in {202, 409}:
        raise StageError(f"cancel answers {answer.status_code}: {answer.text[:500]}")


def wait_for_end(stage: Stage, deadline: float, export_id: str) -> None:
    """Polls while the answer is 202. A 404 is the end only when the engine has ended too."""
    while True:
        answer = ask(stage, deadline, "GET", f"/api/exports/{export_id}")
        if answer.status_code != 202 and (answer.status_code != 404 or _all_ended(stage, export_id)):
            return
        if time.monotonic() > deadline:
            raise StageError(f"the export has not ended in time; GET answers {answer.status_code}: {answer.text[:500]}")
        time.sleep(PAUSE_SECONDS)


def settle(stage: Stage, deadline: float, export_id: str) -> None:
    """Waits until all running activities have seen that the export is over, and nothing is open."""
    while time.monotonic() < deadline:
        if _all_ended(stage, export_id) and not stage.engine.open_work(export_id):
            return
        time.sleep(PAUSE_SECONDS)


def _all_ended(stage: Stage, export_id: str) -> bool:
    return all(status not in {"Pending", "Running"} for status in stage.engine.instances(export_id).values())


def evidence(
    stage: Stage,
    deadline: float,
    export_id: str,
    users: Sequence[str],
    columns: str,
    *,
    cancelled: bool = False,
    changes: Changes | None = None,
) -> Evidence:
    """All there is to see of an export of these users and this set of columns."""
    answer = ask(stage, deadline, "GET", f"/api/exports/{export_id}")
    shown = answer.json()
    links = shown.get("download", {})
    sets: Json = ask(stage, deadline, "GET", "/api/columns").json()["sets"]
    listed = ask(stage, deadline, "GET", "/api/exports").json()["value"]
    results = _download(links.get("results"))
    return Evidence(
        id=export_id,
        users=users,
        columns=(*sets[columns], *(["deletedDateTime"] if _is_of_deleted(shown) else [])),
        code=answer.status_code,
        shown=shown,
        file=_download(links.get("file")),
        results=httpx.Response(200, content=results).json() if results is not None else None,
        blobs=tuple(name for name in _names(stage) if export_id in name),
        instances=stage.engine.instances(export_id),
        open_work=stage.engine.open_work(export_id),
        listed=tuple(entry for entry in listed if entry["id"] == export_id),
        cancelled=cancelled,
        changes=changes,
    )


def _is_of_deleted(shown: Json) -> bool:
    """A set of columns has one more then."""
    return (shown.get("request") or {}).get("scope") == {"deleted": True}


def tenant_users(stage: Stage, deadline: float) -> list[Json]:
    """All users of the simulated tenant as they are now."""
    answer = _send(deadline, "GET", lambda: f"{stage.serving.graph}/_tenant/users").raise_for_status()
    return [json.loads(line) for line in answer.text.splitlines()]


def change_tenant(stage: Stage, deadline: float, order: Json) -> None:
    _send(deadline, "POST", lambda: f"{stage.serving.graph}/_tenant/change", json=order).raise_for_status()


def has_marks(stage: Stage) -> bool:
    """Whether a run of a saved export has ended, and the timer has not followed up."""
    return any(name.startswith(ENDED) for name in _names(stage))


def tenant_ids(stage: Stage, deadline: float, scope: str = "all") -> list[str]:
    """The object ids of all users, or of those of a scope, from the simulated tenant itself."""
    asked = SCOPES[scope]
    params = {} if isinstance(asked, str) else asked
    answer = _send(deadline, "GET", lambda: f"{stage.serving.graph}/_tenant/ids", params=params)
    return answer.raise_for_status().text.split()


def _download(link: str | None) -> bytes | None:
    """What a link gives, asked three times: the storage may be starting."""
    return _first(lambda: _get(link)) if link else None


def _get(link: str) -> bytes | None:
    try:
        answer = httpx.get(link, timeout=60, trust_env=False)
    except httpx.TransportError:
        return None
    return answer.content if answer.status_code == 200 else None


def _first(attempt: Callable[[], bytes | None], times: int = 3) -> bytes | None:
    for _ in range(times):
        content = attempt()
        if content is not None:
            return content
        time.sleep(1)
    return None


def _names(stage: Stage) -> list[str]:
    """All blobs of the container, also those of uncommitted blocks; none when the container itself was forgotten."""
    with BlobServiceClient.from_connection_string(stage.serving.storage) as client:
        try:
            return [blob.name for blob in client.get_container_client(CONTAINER).list_blobs(include="uncommittedblobs")]
        except HttpResponseError:
            return []
