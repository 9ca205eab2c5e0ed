"""Exports and comparisons on Microsoft's own Durable extension, from the POST to the files."""

import csv
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from local.extension import written_binding
from tests.api.api_client import Api
from tests.durable.conftest import HOOK_HOST
from tests.durable.hooks import Hook
from tests.integration.truth import check_ids
from tests.waiting import wait

SECONDS = 120.0
"""An activity that always fails takes four pauses of 15 seconds; many exports run at once."""
FAILURES = {
    "plan-1": "Completed",
    "plan-5": "Failed",
    "export-1": "Completed",
    "export-20": "Failed",
    "check-1": "Completed",
    "check-5": "Failed",
    "publish-1": "Completed",
    "publish-5": "Failed",
    "notify-1": "Completed",
    "notify-5": "Completed",
    "clean-1": "Completed",
    "clean-5": "Completed",
}
"""What fails, and how the export ends."""


def end(api: Api, export_id: str) -> httpx.Response:
    found: httpx.Response = wait(
        lambda: a if (a := api.get(f"/api/exports/{export_id}")).status_code != 202 else None, "the end", SECONDS
    )
    return found


def run(api: Api, **request: Any) -> Any:
    return end(api, api.start(**request)).json()


def csv_of(found: Any) -> bytes:
    return httpx.get(found["download"]["csv"]).raise_for_status().content


def ids(api: Api) -> set[str]:
    return set(httpx.get(f"{api.serving.graph}/_tenant/ids").text.split())


def test_an_export_of_everybody_comes_to_its_end(api: Api) -> None:
    found = run(api)
    assert found["status"] == "Completed"
    check_ids(csv_of(found), ids(api))


def test_an_export_of_selected_users_comes_to_its_end(api: Api) -> None:
    selected = sorted(ids(api))[:7]
    found = run(api, users=selected)
    assert found["status"] == "Completed"
    check_ids(csv_of(found), set(selected))


def test_each_range_in_a_round_of_its_own_comes_to_its_end(api: Api) -> None:
    found = run(api, fileName="rounds")
    assert found["status"] == "Completed"
    check_ids(csv_of(found), ids(api))


@pytest.mark.parametrize("name", ["hold-0", "rounds hold-1"])
def test_it_is_cancelled_in_the_first_and_in_a_later_round(api: Api, name: str) -> None:
    export_id = api.start(fileName=name)
    done = 4 if "rounds" in name else 0
    wait(lambda: _progress(api, export_id).get("ranges") and _progress(api, export_id)["rangesDone"] >= done, "reading")
    assert api.cancel(export_id).status_code == 202
    found = end(api, export_id).json()
    assert found["status"] == "Cancelled"
    assert "csv" not in found["download"]


def _progress(api: Api, export_id: str) -> Any:
    return api.get(f"/api/exports/{export_id}").json().get("progress", {})


def test_the_callback_gets_the_results(api: Api, hook: Hook) -> None:
    found = run(api, callbackUrl=f"https://{HOOK_HOST}/told")
    (body,) = [body for path, body in hook.posted if path == "/told"]
    assert (body["id"], body["status"]) == (found["id"], "Completed")


def test_ten_posts_at_once_with_one_key_start_one_export(api: Api) -> None:
    with ThreadPoolExecutor(10) as threads:
        answers = [*threads.map(lambda _: api.post(key="one", fileName="once"), range(10))]
    assert {answer.status_code for answer in answers} == {202}
    (export_id,) = {answer.json()["id"] for answer in answers}
    found = end(api, export_id).json()
    assert found["status"] == "Completed"
    check_ids(csv_of(found), ids(api))


def test_after_a_deletion_nothing_is_left_in_tables_queues_and_blobs_but_the_mark(api: Api) -> None:
    export_id = api.start(fileName="rounds")
    end(api, export_id)
    stored = [*(api.serving.data / "azurite").glob("__azurite_db_*__.json")]
    assert any(export_id in file.read_text() for file in stored if "table" in file.name)
    assert api.delete(export_id).status_code == 204
    assert api.get(f"/api/exports/{export_id}").status_code == 410
    entries = [entry for file in stored for entry in _entries(file.read_text()) if export_id in json.dumps(entry)]
    assert [entry["name"] for entry in entries] == [f"{export_id}/deleted"]


def _entries(index: str) -> list[Any]:
    """What is in the tables, queues and containers of one of Azurite's services."""
    return [entry for collection in json.loads(index)["collections"] for entry in collection["data"]]


def compare(api: Api, old: Any, new: Any, **more: Any) -> httpx.Response:
    answer = api.send("POST", "/api/comparisons", json={"old": old["id"], "new": new["id"], **more})
    assert answer.status_code == 202, answer.text
    return end(api, answer.json()["id"])


@pytest.fixture(scope="module")
def two(api: Api) -> tuple[Any, Any]:
    """Two exports: of the first nine users, and of ten without the first two."""
    users = sorted(ids(api))
    return run(api, users=users[:9]), run(api, users=users[2:12])


def test_two_exports_are_compared_to_the_end(api: Api, two: tuple[Any, Any]) -> None:
    found = compare(api, *two, fileName="compared").json()
    assert found["status"] == "Completed", found
    rows = csv.DictReader(io.StringIO(csv_of(found).decode("utf-8-sig"), newline=""))
    users = sorted(ids(api))
    assert sorted((row["objectId"], row["change"], row["removedBecause"]) for row in rows) == [
        *((user, "removed", "notInExport") for user in users[:2]),
        *((user, "added", "") for user in users[9:12]),
    ]


def test_a_step_of_a_comparison_that_always_fails_is_its_reason(api: Api, two: tuple[Any, Any]) -> None:
    failed = compare(api, *two, fileName="compare-5")
    assert (failed.status_code, failed.json()["status"]) == (500, "Failed")
    (error,) = failed.json()["errors"]
    assert error["code"] == "ActivityFailed"
    assert error["reason"] == "The step compare failed each time it was tried: OSError: call 5 of compare fails."
    assert "csv" not in failed.json()["download"]


@pytest.fixture(scope="module", autouse=True)
def failing(api: Api) -> dict[str, str]:
    """All at the same time, and before all other tests: each takes pauses."""
    hook = f"https://{HOOK_HOST}/any"
    return {name: api.start(fileName=name, callbackUrl=hook) for name in FAILURES}


@pytest.mark.parametrize("name", FAILURES)
def test_an_activity_that_raises_is_called_again_and_the_export_ends_with_a_reason(
    api: Api, failing: dict[str, str], name: str
) -> None:
    found = end(api, failing[name]).json()
    assert found["status"] == FAILURES[name], found
    if found["status"] == "Completed":
        check_ids(csv_of(found), ids(api))
        assert ("CallbackFailed" in [each["code"] for each in found["warnings"]]) is (name == "notify-5")
        return
    (error,) = found["errors"]
    activity = name.partition("-")[0]
    assert error["code"] == "ActivityFailed"
    said = rf"The step {activity} failed each time it was tried: OSError: call \d+ of {activity} fails\."
    assert re.fullmatch(said, error["reason"])
    assert "csv" not in found["download"]


def test_functions_of_the_app_come_in_by_themselves_and_messages_may_be_large(api: Api) -> None:
    base = json.loads(written_binding(api.serving.data))["rpcBaseUrl"]
    with httpx.Client(base_url=base, trust_env=False, timeout=60) as http:
        started = http.post("orchestrators/large_messages/large").raise_for_status()
        assert started.json()["id"] == "large"
        found = wait(lambda: (a := http.get("instances/large")).status_code == 200 and a.json(), "the end", SECONDS)
    assert (found["runtimeStatus"], found["output"]) == ("Completed", 200_000)
