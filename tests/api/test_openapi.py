"""The document says what the app does: neither has a route, a status, a header or a property that the other lacks."""

import copy
import json
import re
from functools import cache
from typing import Any

import pytest
import schemathesis
from azure.functions import HttpMethod
from hypothesis import HealthCheck, Phase, assume, given, settings
from jsonschema import Draft202012Validator
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local import host_functions
from local.host_functions import Function
from shared.api.access import HEADER
from shared.api.routes import MAX_TOP
from shared.files.columns import COLUMN_SETS, COLUMNS
from shared.files.results import STATUSES
from tests.api.api_client import CONTRACT, SHARED, Api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
OPERATIONS = [(method, path) for path, item in CONTRACT["paths"].items() for method in item if method != "parameters"]
SCHEMAS = CONTRACT["components"]["schemas"]
ONLY_SHOWN = ("statusUrl", "progress", "cancelRequested", "download", "notes", "advice")
TENANT_COLUMN = (
    r"^(extension_[0-9a-fA-F]{32}_[A-Za-z0-9_]{1,150}"
    r"|customSecurityAttributes\.[A-Za-z0-9_]{1,32}(\.[A-Za-z0-9_]{1,32})?)$"
)


def narrowed() -> dict[str, Any]:
    """The contract, and which texts are columns: it has a plain string there, which every generator can send."""
    contract = copy.deepcopy(CONTRACT)
    columns = [{"$ref": "#/components/schemas/ColumnName"}, {"type": "string", "pattern": TENANT_COLUMN}]
    contract["components"]["schemas"]["ColumnReference"] = {"anyOf": columns}
    return contract


document = schemathesis.openapi.from_dict(narrowed())


@cache
def triggers() -> tuple[Function, ...]:
    """The HTTP triggers; an app can be asked for its functions once."""
    return host_functions.load("function_app:app").http


def test_the_routes_of_the_app_are_those_of_the_document() -> None:
    found = [
        (HttpMethod(method).value.lower(), f"/{function.trigger['route']}")
        for function in triggers()
        for method in function.trigger["methods"]
    ]
    assert sorted(found) == sorted(OPERATIONS)


def test_operations_are_called_as_their_functions_are() -> None:
    names = {CONTRACT["paths"][path][method]["operationId"] for method, path in OPERATIONS}
    assert {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name) for name in names} == {
        function.name for function in triggers()
    }


def test_what_a_request_may_name_is_the_table_of_columns() -> None:
    assert SCHEMAS["ColumnName"]["enum"] == list(COLUMNS)
    assert SCHEMAS["ColumnSet"]["enum"] == list(COLUMN_SETS)
    assert SCHEMAS["ColumnSets"]["required"] == list(SCHEMAS["ColumnSets"]["properties"]) == list(COLUMN_SETS)
    assert SCHEMAS["ExportStatus"]["enum"] == list(STATUSES)


def test_the_results_of_the_api_are_those_of_the_results_file() -> None:
    results = json.loads(
        (SHARED / "files/results.schema.json").read_text().replace("#/$defs/", "#/components/schemas/")
    )
    assert {name: SCHEMAS[name] for name in results["$defs"]} == results["$defs"]
    shown = SCHEMAS["Export"]["properties"]
    assert set(shown) - set(results["properties"]) == {*ONLY_SHOWN}
    # Of the API's own: the first errors only, every status, and times that generators read as such.
    for name, schema in results["properties"].items():
        if name not in {"errors", "status"}:
            assert shown[name].items() >= {key: value for key, value in schema.items() if key != "pattern"}.items()


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    document.validate()


def test_everyone_may_read_the_document(api: Api) -> None:
    for caller in ({}, {HEADER: "nobody"}):
        answer = api.as_caller(caller).get("/api/openapi.json")
        assert answer.status_code == 200
        assert answer.json() == CONTRACT


def test_the_most_that_a_page_can_have_is_as_documented(api: Api) -> None:
    top = next(each for each in CONTRACT["paths"]["/exports"]["get"]["parameters"] if each["name"] == "top")
    assert top["schema"]["maximum"] == MAX_TOP
    assert api.get("/api/exports", params={"top": MAX_TOP}).status_code == 200
    assert api.get("/api/exports", params={"top": MAX_TOP + 1}).status_code == 400


bounded = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_to_whatever_request_is_in_the_document(api: Api, method: str, path: str) -> None:
    described = document[path][method]
    valid, invalid = (described.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @bounded
    @given(case=valid | invalid)
    def check(case: Case[Any]) -> None:
        # An empty query value is as good as none: the Functions host leaves it out.
        assume("" not in (case.query or {}).values())
        case.call_and_validate(base_url=f"{api.serving.url}/api", checks=CHECKS, timeout=60)

    check()
