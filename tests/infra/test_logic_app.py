"""The sample Logic App's definition: complete, free of cycles, and what it names exists."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.files.results import STATUSES
from tests.infra import bicep
from tests.json_texts import texts

Json = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "infra/logic-app"
DEFINITION: Json = json.loads((FOLDER / "workflow.json").read_text())
TYPES = {"Http", "If", "ApiConnection", "Terminate"}
OUTCOMES = {"Succeeded", "Failed", "TimedOut", "Skipped"}


def levels(actions: Json) -> Iterator[Json]:
    """Each group of actions that may wait for one another."""
    yield actions
    for action in actions.values():
        for inner in (action.get("actions"), action.get("else", {}).get("actions")):
            if inner:
                yield from levels(inner)


ACTIONS = {name: action for level in levels(DEFINITION["actions"]) for name, action in level.items()}
EXPRESSIONS = [text for text in texts(DEFINITION) if text.startswith("@")]


def test_every_action_is_of_a_known_type_and_one_alone_begins() -> None:
    assert {action["type"] for action in ACTIONS.values()} == TYPES
    for level in levels(DEFINITION["actions"]):
        assert [name for name, action in level.items() if not action["runAfter"]] == [next(iter(level))]


def test_what_actions_wait_for_exists_beside_them_and_ends() -> None:
    for level in levels(DEFINITION["actions"]):
        done: set[str] = set()
        waiting = {name: set(action["runAfter"]) for name, action in level.items()}
        for action in level.values():
            assert all(set(outcomes) <= OUTCOMES for outcomes in action["runAfter"].values())
        while waiting:
            ready = {name for name, needs in waiting.items() if needs <= done}
            assert ready, f"{waiting} wait for each other, or for nothing"
            done |= ready
            waiting = {name: needs for name, needs in waiting.items() if name not in ready}


def test_expressions_name_what_there_is() -> None:
    for text in EXPRESSIONS:
        assert set(re.findall(r"parameters\('([^']+)'\)", text)) <= set(DEFINITION["parameters"]), text
        assert set(re.findall(r"(?:body|actions|outputs)\('([^']+)'\)", text)) <= set(ACTIONS), text
        assert text.count("(") == text.count(")"), text
        assert set(re.findall(r"\b([a-z]\w*)\(", text)) <= {
            *("parameters", "concat", "body", "actions", "string", "createArray", "coalesce", "workflow"),
        }, text
    used = {name for text in EXPRESSIONS for name in re.findall(r"parameters\('([^']+)'\)", text)}
    assert used == set(DEFINITION["parameters"])


def test_the_export_is_waited_for_by_polling_as_the_apps_identity() -> None:
    action = ACTIONS["Export_users"]
    assert action["inputs"]["authentication"] == {
        "type": "ManagedServiceIdentity",
        "audience": "@parameters('audience')",
    }
    # Switched off, the action would take the 202 for the end.
    assert "DisableAsyncPattern" not in json.dumps(action)
    # A Logic App sends a POST again after a time-out; a second action of the run is another request.
    key = "@concat(workflow().run.name, '-Export_users')"
    assert action["inputs"]["headers"]["Idempotency-Key"] == key
    # The answer holds download links: run histories are read by more people than may export.
    assert action["runtimeConfiguration"]["secureData"]["properties"] == ["outputs"]


def test_each_run_and_each_action_has_a_key_of_its_own() -> None:
    """A second action with the first one's key would be answered with its export, or with 422."""
    given = {name: action["inputs"].get("headers", {}) for name, action in ACTIONS.items() if action["type"] == "Http"}
    for name, headers in given.items():
        assert "workflow().run.name" in headers["Idempotency-Key"]
        assert f"'-{name}'" in headers["Idempotency-Key"]


def test_success_is_what_the_api_calls_success_and_anything_else_fails_the_run() -> None:
    condition = ACTIONS["Did_it_succeed"]
    assert set(condition["runAfter"]["Export_users"]) == {"Succeeded", "Failed", "TimedOut"}
    named = set(re.findall(r"'([A-Z]\w+)'", json.dumps(condition["expression"]))) - {"Export_users"}
    assert named == {"Completed", "CompletedWithErrors"}
    assert named <= set(STATUSES)
    # A cancelled export is a 200, as pollers want it: the action succeeds, and there is no file.
    assert {"equals": ["@body('Export_users')?['error']", "@null"]} in condition["expression"]["and"]
    assert "['error']?['message']" in ACTIONS["Send_failure"]["inputs"]["body"]["Body"]
    assert "['error']?['code']" in ACTIONS["Fail"]["inputs"]["runError"]["code"]
    assert ACTIONS["Fail"]["inputs"]["runStatus"] == "Failed"
    assert set(ACTIONS["Fail"]["runAfter"]["Send_failure"]) == OUTCOMES


def test_no_mail_holds_a_download_link() -> None:
    for name in ("Send_link", "Send_failure"):
        assert "download'" not in json.dumps(ACTIONS[name])
        assert "/api/bulk-operations" in ACTIONS[name]["inputs"]["body"]["Body"]


def test_the_bicep_gives_every_parameter_and_an_audience_without_a_slash() -> None:
    workflow = next(each for each in bicep.template(bicep.LOGIC_APP)["resources"] if each["type"].endswith("workflows"))
    given = workflow["properties"]["parameters"]
    assert set(given) == set(DEFINITION["parameters"])
    assert given["audience"]["value"] == "[format('api://{0}', parameters('authClientId'))]"
