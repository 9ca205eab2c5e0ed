"""`python -m local serve` as other programs use it: `launch` runs it, and `look` says where it is."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PAGE = "/api/bulk-operations"
READY_SECONDS = 120.0
LOOK_SECONDS = 0.02


class ServeError(Exception):
    """Something did not start; the message says what, and what to do."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A running `serve`: its address, Graph's, the storage that it uses and the folder with its state."""

    url: str
    graph: str
    storage: str
    data: Path
    pids: dict[str, int] = field(default_factory=dict)


def describe(serving: Serving) -> None:
    """Writes serve.json, where `look` finds it; replaced as a whole, so it is never half there."""
    where = {"url": serving.url, "graph": serving.graph, "storage": serving.storage, "pids": serving.pids}
    new = serving.data / "serve.json.new"
    new.write_text(json.dumps(where))
    new.replace(serving.data / "serve.json")


def look(data: Path) -> Serving:
    """Where the `serve` on this folder is now, with the process ids of itself and its children."""
    return Serving(**json.loads((data / "serve.json").read_text()), data=data)


@contextmanager
def launch(
    data: Path,
    *arguments: str,
    environment: dict[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Serving]:
    """Run `python -m local serve --data DATA --port 0 ARGUMENTS...`; ends it, with all its processes, at the end.

    `say` is given each line that says what is being started.
    """
    data.mkdir(parents=True, exist_ok=True)
    (data / "serve.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "local", "serve", "--data", str(data), "--port", "0"]
    command += ["--parent-pid", str(os.getpid()), *arguments]
    with (data / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=dict(os.environ) | (environment or {}), start_new_session=True
        )
    try:
        yield _wait_until_serving(process, data, say)
    finally:
        process.terminate()
        process.wait()


def _wait_until_serving(
    process: subprocess.Popen[bytes], data: Path, say: Callable[[str], None] | None = None
) -> Serving:
    deadline = time.monotonic() + READY_SECONDS
    with (data / "serve.log").open(errors="replace") as log:
        while time.monotonic() < deadline:
            for line in log:
                if say and line.startswith("starting"):
                    say(line.rstrip())
            if (data / "serve.json").exists():
                return look(data)
            if process.poll() is not None:
                raise ServeError((data / "serve.log").read_text(errors="replace")[-3000:])
            time.sleep(LOOK_SECONDS)
    raise ServeError(f"`python -m local serve` was not ready within {READY_SECONDS:.0f} seconds.")
