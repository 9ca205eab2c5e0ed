"""Cancelling an export of a slow tenant, and removing it afterwards."""

import json
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from tests.api.api_client import SLOW_USERS, Api
from tests.api.test_results_schema import VALIDATOR
from tests.waiting import wait

SECONDS = 10.0
"""Within so long an export that was cancelled has ended, however long it would take."""


@pytest.fixture
def container(slow: Api) -> Any:
    with BlobServiceClient.from_connection_string(slow.serving.storage) as service:
        yield service.get_container_client("exports")


def progress(api: Api, export_id: str) -> Any:
    return api.get(f"/api/exports/{export_id}").json().get("progress", {"exported": 0})


def running(api: Api, export_id: str) -> Any:
    """A started export that has read some users."""
    return wait(lambda: progress(api, export_id)["exported"], "the first users")


def status(data: Path, export_id: str) -> str:
    """What Durable's store has of an export."""
    with sqlite3.connect(data / "durable.db") as db:
        (found,) = db.execute("SELECT status FROM instances WHERE id = ?", (export_id,)).fetchone()
    db.close()
    return str(found)


def rows_of(data: Path, export_id: str, *tables: str) -> int:
    """How many rows of these tables of Durable's store know the export; without tables: of any."""
    columns = {"instances": "id", "history": "instance", "messages": "instance", "tasks": "instance"}
    with sqlite3.connect(data / "durable.db") as db:
        found = sum(
            db.execute(f"SELECT count(*) FROM {table} WHERE {columns[table]} = ?", (export_id,)).fetchone()[0]  # noqa: S608 - our own names
            for table in tables or columns
        )
    db.close()
    return int(found)


def names(container: ContainerClient, prefix: str = "") -> list[str]:
    return [name for name in container.list_blob_names() if prefix in name]


def test_a_cancelled_export_ends_soon_says_how_far_it_came_and_leaves_no_file(
    slow: Api, container: ContainerClient
) -> None:
    export_id = slow.start()
    at_least = running(slow, export_id)
    answered = slow.cancel(export_id).json()
    assert (answered["status"], answered["cancelRequested"]) == ("InProgress", True)
    found = wait(lambda: (a := slow.get(f"/api/exports/{export_id}")).status_code == 200 and a.json(), "end", SECONDS)
    assert found["status"] == found["error"]["code"] == "Cancelled"
    assert "cancelled" in found["error"]["message"]
    assert 0 < at_least <= found["counts"]["exported"] < SLOW_USERS == found["counts"]["expected"]
    assert set(found["download"]) == {"expiresOn", "results"}
    file = json.loads(container.download_blob(f"{export_id}/results.json").readall())
    VALIDATOR.validate(file)
    assert file["status"] == "Cancelled"
    assert [name for name in names(container, export_id) if name.endswith(".csv")] == []


def test_what_is_read_for_a_cancelled_export_stops_and_its_work_is_removed(
    slow: Api, container: ContainerClient
) -> None:
    export_id = slow.start()
    running(slow, export_id)
    slow.cancel(export_id)
    wait(lambda: not rows_of(slow.serving.data, export_id, "tasks"), "the end of all activities", SECONDS)
    requests = httpx.get(f"{slow.serving.graph}/_tenant/stats").json()
    assert requests["now"] == 0
    assert status(slow.serving.data, export_id) == "Completed"
    assert names(container, f"work/{export_id}") == []


def test_an_export_is_cancelled_before_it_is_planned_too(slow: Api) -> None:
    export_id = slow.start()
    assert slow.cancel(export_id).status_code == 202
    assert slow.cancel(export_id).status_code in {200, 202}
    found = wait(lambda: (a := slow.get(f"/api/exports/{export_id}")).status_code == 200 and a.json(), "end", SECONDS)
    assert found["status"] == "Cancelled"


def test_what_runs_is_not_deleted_and_to_cancel_what_has_ended_gives_its_results(slow: Api) -> None:
    export_id = slow.start()
    refused = slow.delete(export_id)
    assert refused.status_code == 409
    assert "Cancel it first" in refused.json()["detail"]
    slow.cancel(export_id)
    ended = slow.end(export_id).json()
    again = slow.cancel(export_id)
    assert again.status_code == 200
    assert {**again.json(), "download": 0} == {**ended, "download": 0}


def test_cancelling_a_failed_export_succeeds_and_changes_nothing(slow: Api) -> None:
    export_id = slow.start(filter="noSuchProperty eq 'x'")
    failed = slow.end(export_id)
    again = slow.cancel(export_id)
    assert (failed.status_code, again.status_code) == (500, 200)
    assert {**again.json(), "download": 0} == {**failed.json(), "download": 0}
    assert slow.get(f"/api/exports/{export_id}").json()["status"] == "Failed"


def test_a_failed_export_has_the_reason_where_pollers_of_azure_look_for_it(slow: Api) -> None:
    failed = slow.end(slow.start(filter="noSuchProperty eq 'x'")).json()
    (first,) = failed["errors"]
    assert failed["error"] == {"code": first["code"], "message": first["reason"]}
    assert "noSuchProperty" in failed["error"]["message"]


def test_to_cancel_a_completed_export_leaves_its_files(slow: Api, container: ContainerClient) -> None:
    export_id = slow.start(filter="userType eq 'Guest'")
    completed = slow.end(export_id).json()
    before = names(container, export_id)
    again = slow.cancel(export_id)
    assert (again.status_code, again.json()["status"]) == (200, "Completed")
    assert {**again.json(), "download": 0} == {**completed, "download": 0}
    assert names(container, export_id) == before
    assert httpx.get(again.json()["download"]["csv"]).status_code == 200


def test_until_it_has_ended_answer_and_list_say_that_it_was_cancelled(slow: Api) -> None:
    export_id = slow.start()
    running(slow, export_id)
    assert "cancelRequested" not in slow.get(f"/api/exports/{export_id}").json()
    slow.cancel(export_id)

    def seen() -> bool:
        (listed,) = [each for each in slow.listed(top=200)["value"] if each["id"] == export_id]
        shown = slow.get(f"/api/exports/{export_id}")
        for answer in (listed, shown.json()):
            assert answer["status"] == "Cancelled" or answer["cancelRequested"], answer
        return shown.status_code == 200

    wait(seen, "the end", SECONDS)


def test_a_cancelled_export_can_be_deleted_at_once_with_all_that_it_has_left(
    slow: Api, container: ContainerClient
) -> None:
    export_id = slow.start(fileName="secret", key="key")
    running(slow, export_id)
    slow.cancel(export_id)
    slow.end(export_id)
    assert slow.delete(export_id).status_code == 204
    assert slow.get(f"/api/exports/{export_id}").status_code == 410
    assert slow.cancel(export_id).status_code == slow.delete(export_id).status_code == 410
    assert set(names(container, export_id)) - set(names(container, f"work/{export_id}")) == {f"{export_id}/deleted"}
    # An activity that was still reading a page takes away what it has written when it ends.
    wait(lambda: not names(container, f"work/{export_id}"), "the work of activities to go", SECONDS)
    assert names(container, export_id) == [f"{export_id}/deleted"]
    assert rows_of(slow.serving.data, export_id) == 0
    assert export_id not in {each["id"] for each in slow.listed(top=200)["value"]}


def test_the_list_shows_how_far_a_running_export_is(slow: Api) -> None:
    export_id = slow.start(fileName="running")
    running(slow, export_id)
    (found,) = [each for each in slow.listed(status="InProgress")["value"] if each["id"] == export_id]
    assert found["request"] == {"fileName": "running", "format": "csv", "compress": False}
    assert 0 < found["progress"]["exported"] < found["progress"]["expected"] == SLOW_USERS
    assert datetime.fromisoformat(found["progress"]["estimatedEndDateTime"])
    assert export_id not in {each["id"] for each in slow.listed(status="Cancelled")["value"]}
    slow.cancel(export_id)
    slow.end(export_id)
    assert export_id in {each["id"] for each in slow.listed(status="Cancelled")["value"]}
