"""Records histories of real exports on the local engine: `python -m tests.unit.histories.record VERSION`.

Each file is one export: its orchestration with its history, which holds numbers and ids only, as every history does.
Recorded once for a version of the orchestrator and then kept: what an older version has begun, a newer one must be
able to end (docs/reliability.md, Versions).
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from local import durable
from local.durable_store import connect
from local.serve import Serving, launch
from tests.waiting import wait

HERE = Path(__file__).parent
ENVIRONMENT = {"EXPORT_RANGE_USERS": "20", "EXPORT_PARALLEL": "3", "EXPORT_CALLBACK_HOSTS": "127.0.0.1"}
SECONDS = 300.0


def main(version: str) -> None:
    """Writes one file for each way that an export can go."""
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
                    file = HERE / f"{version}-{shape}-{way}.json"
                    file.write_text(json.dumps(_recorded(serving.data, export_id), indent=1) + "\n")


def _run(serving: Serving, request: dict[str, Any], *, cancel: bool) -> str:
    url = f"{serving.url}/api/exports"
    export_id: str = httpx.post(url, json=request).raise_for_status().json()["id"]
    if cancel:
        wait(lambda: httpx.get(f"{url}/{export_id}").json().get("progress", {}).get("ranges"), "ranges", SECONDS)
        httpx.post(f"{url}/{export_id}/cancel").raise_for_status()
    wait(lambda: httpx.get(f"{url}/{export_id}").status_code != 202, "the end", SECONDS)
    return export_id


def _recorded(data: Path, export_id: str) -> list[dict[str, Any]]:
    db = connect(data / "durable.db")
    found = durable.find(db, prefix=export_id)
    rows = {each["instanceId"]: (each["name"], durable.history(db, each["instanceId"])) for each in found}
    db.close()
    return [{"id": each, "name": name, "history": history} for each, (name, history) in rows.items()]


if __name__ == "__main__":
    main(sys.argv[1])
