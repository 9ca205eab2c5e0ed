"""Records histories of real exports and comparisons: `python -m tests.unit.histories.record VERSION [comparisons]`.

They run on the local engine; with `comparisons` exports are not recorded anew. Each file is one orchestration with its
history, which holds numbers and ids only, as every history does. Recorded once for a version of the orchestrator and
then kept: what an older version has begun, a newer one must be able to end (docs/reliability.md, Versions).
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from local.durable_store import connect
from local.serve import Serving, launch
from tests.waiting import wait

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent
CALLBACK = {"EXPORT_CALLBACK_HOSTS": "127.0.0.1"}
ENVIRONMENT = {"EXPORT_RANGE_USERS": "20", "EXPORT_PARALLEL": "3", **CALLBACK}
SECONDS = 300.0
COMPARED = 45_000


def main(version: str, *only: str) -> None:
    """Writes one file for each way that an export or a comparison can go."""
    if "comparisons" not in only:
        _exports(version)
    _comparisons(version)


def _exports(version: str) -> None:
    arguments: dict[str, tuple[str, ...]] = {"normal": (), "null90": ("--shape", "null90")}
    with tempfile.TemporaryDirectory() as folder:
        for shape, more in arguments.items():
            with launch(Path(folder) / shape, "--users", "1200", *more, environment=ENVIRONMENT) as serving:
                users = [json.loads(line) for line in httpx.get(f"{serving.graph}/_tenant/users").text.splitlines()]
                ids, names = ([user[key] for user in users] for key in ("id", "userPrincipalName"))
                ways: dict[str, dict[str, Any]] = {"completed": {}}
                if shape == "normal":
                    # The second slice has users of the first under their other name, and is read again.
                    ways |= {"failed": {"filter": "noSuchProperty eq 'x'"}, "selected": {"users": [*ids, *names[:5]]}}
                    # Nobody listens there: told five times, with timers between.
                    ways |= {"callback": {"callbackUrl": "https://127.0.0.1/"}, "cancelled": {}}
                for way, request in ways.items():
                    export_id = _run(serving, {"columns": "profile", **request}, cancel=way == "cancelled")
                    _write(serving.data, export_id, f"{version}-{shape}-{way}")


def _comparisons(version: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        launch(Path(folder), "--users", str(COMPARED), environment=CALLBACK) as serving,
    ):
        # More users than one part takes: several activities compare.
        columns = ["objectId", "displayName"]
        old, new = [_run(serving, {"columns": columns, "filter": asked}) for asked in ("", "accountEnabled eq true")]
        ways: dict[str, dict[str, Any]] = {
            "completed": {},
            "callback": {"callbackUrl": "https://127.0.0.1/"},
            "cancelled": {},
        }
        for way, request in ways.items():
            asked = {"old": old, "new": new, **request}
            comparison = _run(serving, asked, path="comparisons", cancel=way == "cancelled")
            _write(serving.data, comparison, f"{version}-comparison-{way}")


def _write(data: Path, export_id: str, name: str) -> None:
    text = json.dumps(_recorded(data, export_id), indent=1)
    # Stack traces name files of this machine.
    (HERE / f"{name}.json").write_text(text.replace(str(ROOT), "/home/site/wwwroot") + "\n")


def _run(serving: Serving, request: dict[str, Any], *, path: str = "exports", cancel: bool = False) -> str:
    url = f"{serving.url}/api/exports"
    request = {name: value for name, value in request.items() if value}
    started = httpx.post(f"{serving.url}/api/{path}", json=request)
    export_id: str = started.raise_for_status().json()["id"]
    if cancel:
        wait(lambda: httpx.get(f"{url}/{export_id}").json().get("progress", {}).get("ranges"), "ranges", SECONDS)
        httpx.post(f"{url}/{export_id}/cancel").raise_for_status()
    wait(lambda: httpx.get(f"{url}/{export_id}").status_code != 202, "the end", SECONDS)
    return export_id


def _recorded(data: Path, export_id: str) -> list[dict[str, Any]]:
    with contextlib.closing(connect(data / "durable.db")) as db:
        (name,) = db.execute("SELECT name FROM instances WHERE id = ?", (export_id,)).fetchone()
        events = db.execute("SELECT event FROM history WHERE instance = ? ORDER BY number", (export_id,)).fetchall()
    return [{"id": export_id, "name": name, "history": [json.loads(event) for (event,) in events]}]


if __name__ == "__main__":
    main(*sys.argv[1:])
