"""The contract as OpenAPI 2.0: nothing that 2.0 lacks, nothing lost that a connector needs, and its hints."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.api.hints import title
from shared.api.swagger import swagger
from tests.api.api_client import CONTRACT

Json = dict[str, Any]
MADE: Json = json.loads(json.dumps(swagger(CONTRACT, "https://app.contoso.com/api", "a-tenant")))
OPERATIONS: dict[str, Json] = {
    operation["operationId"]: operation for item in MADE["paths"].values() for operation in item.values()
}


def every(node: Any) -> Iterator[Json]:
    """Every object in it, but examples."""
    if isinstance(node, dict):
        yield node
        for name, each in node.items():
            if name not in {"examples", "example"}:
                yield from every(each)
    elif isinstance(node, list):
        for each in node:
            yield from every(each)


def test_it_names_where_the_api_is_and_where_to_sign_in() -> None:
    assert (MADE["host"], MADE["basePath"], MADE["schemes"]) == ("app.contoso.com", "/api", ["https"])
    (sign_in,) = MADE["securityDefinitions"].values()
    assert sign_in["authorizationUrl"] == "https://login.microsoftonline.com/a-tenant/oauth2/v2.0/authorize"
    anywhere = swagger(CONTRACT, "http://localhost:7071/api")
    assert (anywhere["host"], anywhere["schemes"]) == ("localhost:7071", ["http"])


def test_it_has_every_operation_but_the_page() -> None:
    ids = {each["operationId"] for item in CONTRACT["paths"].values() for each in item.values() if "tags" in each}
    assert set(OPERATIONS) == ids - {"page", "pageFile"}


def test_it_uses_nothing_that_came_after_2_0() -> None:
    later = {"oneOf", "anyOf", "const", "requestBody", "content", "components", "callbacks", "propertyNames"}
    for each in every(MADE):
        # A property may be called so.
        assert not {*each} & later or "type" not in each, each
        assert not isinstance(each.get("type"), list), each
        assert "$ref" not in each or len(each) == 1, "beside a reference nothing is read"
    assert "#/components/" not in json.dumps(MADE)


def test_every_reference_leads_to_a_model() -> None:
    for each in every(MADE):
        if "$ref" in each:
            assert each["$ref"].removeprefix("#/definitions/") in MADE["definitions"]


def test_fields_are_titled_and_have_their_place() -> None:
    for model in MADE["definitions"].values():
        for name, field in model.get("properties", {}).items():
            if "$ref" not in field:
                assert field["x-ms-summary"] == title(name)
                assert field["x-ms-visibility"] in {"important", "advanced", "internal"}
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert operation["x-ms-visibility"] in {"important", "internal"}
        for parameter in operation["parameters"]:
            assert parameter["in"] == "body" or parameter["x-ms-summary"]


@pytest.mark.parametrize(
    ("name", "words"), [("fileName", "File name"), ("id", "Id"), ("Idempotency-Key", "Idempotency-Key")]
)
def test_titles_are_words(name: str, words: str) -> None:
    assert title(name) == words


def test_columns_are_a_list_to_choose_from() -> None:
    for model in ("ExportRequest", "SavedExportRequest"):
        columns = MADE["definitions"][model]["properties"]["columns"]
        assert (columns["type"], columns["items"]["type"]) == ("array", "string")
        assert columns["items"]["x-ms-dynamic-values"]["operationId"] == "listColumns"


def test_a_scope_is_one_object_and_all_is_none() -> None:
    for model in ("ExportRequest", "SavedExportRequest"):
        scope = MADE["definitions"][model]["properties"]["scope"]
        assert scope["type"] == "object"
        assert {*scope["properties"]} == {"deleted", "group", "administrativeUnit"}
        assert "required" not in scope


def test_what_answers_may_have_of_several_types_has_none() -> None:
    """Of a request they show what was sent: `all`, or an object; a set's name, or a list."""
    assert "type" not in MADE["definitions"]["AcceptedRequest"]["properties"]["scope"]
    assert "type" not in MADE["definitions"]["SavedExport"]["properties"]["columns"]


def test_the_values_to_choose_from_are_where_the_hints_say() -> None:
    found = [each["x-ms-dynamic-values"] for each in every(MADE) if "x-ms-dynamic-values" in each]
    assert {each["operationId"] for each in found} == {"listColumns", "listExports", "listSavedExports"}
    for each in found:
        model = _model(OPERATIONS[each["operationId"]]["responses"]["200"]["schema"])
        item = _model(model["properties"][each["value-collection"]]["items"])
        for path in (each["value-path"], each["value-title"]):
            inner = item
            for part in path.split("/"):
                inner = _model(inner["properties"][part])
            assert inner["type"] == "string", path


def _model(schema: Json) -> Json:
    found: Json = MADE["definitions"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
    return found


def test_an_action_that_waits_says_so_and_has_the_fields_of_the_end() -> None:
    start = OPERATIONS["startExport"]
    assert start["x-ms-long-running-operation"] is True
    assert start["responses"]["200"]["schema"] == {"$ref": "#/definitions/Export"}
    assert {"Location", "Retry-After"} <= {*start["responses"]["202"]["headers"]}
    assert "until the export has ended" in start["description"]


def test_the_callback_is_not_offered() -> None:
    request = MADE["definitions"]["ExportRequest"]["properties"]
    assert request["callbackUrl"]["x-ms-visibility"] == "internal"
