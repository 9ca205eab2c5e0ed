"""The contract as generators of clients want it. Seen with the real ones, of which Kiota and NSwag need .NET.

To add something to `shared/api/openapi.json`:

- Give every object with properties, every enum and every union a schema of its own under `components`, and refer to
  it. Where it may be null: `"oneOf": [{"$ref": ...}, {"type": "null"}]`.
- Write `type` beside every `enum` and `const`; both are texts. No `default`: tell it in the description.
- Anchor every `pattern` with `^`; none beside a `format`.
- Operation ids are camel-case and have a tag, a description, and examples of body and answer.
- Every error of the app is application/problem+json. (A failed export is no error of the call: a 500 with results.)
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.api.api_client import CONTRACT, SHARED, validate

Json = dict[str, Any]
METHODS = {"get", "put", "post", "delete", "patch"}
SCHEMAS: dict[str, Json] = CONTRACT["components"]["schemas"]
NULL = {"type": "null"}
LANGUAGES_OWN = {
    *("Action", "Array", "Boolean", "Buffer", "Class", "Collection", "Date", "DateTime", "Dictionary", "Enum", "Error"),
    *("Event", "Exception", "File", "Function", "Guid", "Id", "Index", "Integer", "Iterator", "List", "Map", "Module"),
    *("Number", "Object", "Option", "Package", "Process", "Progress", "Promise", "Proxy", "Range", "Record", "Request"),
    *("Response", "Result", "Set", "Status", "String", "Symbol", "Task", "Thread", "Tuple", "Type", "Union", "Uri"),
    *("Url", "Version", "Void", "Warning"),
}


def operations() -> Iterator[Json]:
    for item in CONTRACT["paths"].values():
        yield from (found for method, found in item.items() if method in METHODS)


OPERATIONS = {found["operationId"]: found for found in operations()}
operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def resolved(node: Json) -> Json:
    while "$ref" in node:
        found: Any = CONTRACT
        for part in node["$ref"].split("/")[1:]:
            found = found[part]
        node = found
    return node


def parts(schema: Any, where: str) -> Iterator[tuple[str, Json]]:
    """Every schema in a schema, and where it is; itself too. No reference is followed."""
    if not isinstance(schema, dict):
        return
    yield where, schema
    for name, each in schema.get("properties", {}).items():
        yield from parts(each, f"{where}/{name}")
    for key in ("items", "additionalProperties", "not"):
        yield from parts(schema.get(key), f"{where}/{key}")
    for key in ("oneOf", "anyOf", "allOf", "prefixItems"):
        for number, each in enumerate(schema.get(key, [])):
            yield from parts(each, f"{where}/{key}/{number}")


def outside() -> Iterator[tuple[str, Json]]:
    """The schemas of parameters, headers, bodies and answers."""

    def walk(node: Any, where: str) -> Iterator[tuple[str, Json]]:
        if isinstance(node, dict):
            for name, each in node.items():
                if name == "schema":
                    yield where, each
                elif name not in {"example", "examples", "schemas"}:
                    yield from walk(each, f"{where}/{name}")
        elif isinstance(node, list):
            for number, each in enumerate(node):
                yield from walk(each, f"{where}/{number}")

    yield from walk({"paths": CONTRACT["paths"], "components": CONTRACT["components"]}, "")


def all_parts() -> Iterator[tuple[str, Json]]:
    for name, schema in SCHEMAS.items():
        yield from parts(schema, name)
    for where, schema in outside():
        yield from parts(schema, where)


def unnamed() -> Iterator[tuple[str, Json]]:
    """All but the components themselves."""
    for where, schema in all_parts():
        if where not in SCHEMAS:
            yield where, schema


def is_nullable_reference(schema: Json) -> bool:
    union = schema.get("oneOf", [])
    return len(union) == 2 and "$ref" in union[0] and union[1] == NULL


def test_no_name_is_there_twice_in_an_object() -> None:
    """Python takes the last one without a word; generators refuse the whole document."""

    def once(pairs: list[tuple[str, Any]]) -> Json:
        assert len(dict(pairs)) == len(pairs), [name for name, _ in pairs]
        return dict(pairs)

    for file in ("api/openapi.json", "files/results.schema.json"):
        json.loads((SHARED / file).read_text(), object_pairs_hook=once)


def test_every_component_is_used() -> None:
    used = set(re.findall(r'"#/components/([A-Za-z]+/[A-Za-z]+)"', json.dumps(CONTRACT)))
    sections = {name: each for name, each in CONTRACT["components"].items() if name != "securitySchemes"}
    assert {f"{section}/{name}" for section, named in sections.items() for name in named} == used


def test_operation_ids_are_camel_case_and_unlike() -> None:
    assert len(OPERATIONS) == len(list(operations()))
    assert [name for name in OPERATIONS if not re.fullmatch("[a-z]+([A-Z][a-z]+)*", name)] == []


def test_every_object_enum_and_union_has_a_name() -> None:
    """Else generators number them: Columns2, File3."""
    objects = [where for where, each in unnamed() if "properties" in each or each.get("type") == "object"]
    # A header's value is a string for every generator.
    enums = [where for where, each in unnamed() if ("enum" in each or "const" in each) and "/headers/" not in where]
    unions = [where for where, each in unnamed() if each.keys() & {"anyOf", "oneOf", "allOf"}]
    assert (objects, enums) == ([], [])
    assert [where for where, each in unnamed() if where in unions and not is_nullable_reference(each)] == []


def test_references_lead_to_components_and_into_none() -> None:
    found = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(CONTRACT)))
    assert [each for each in found if not re.fullmatch(r"#/components/[A-Za-z]+/[A-Za-z]+", each)] == []


def test_names_of_models_are_not_reserved_words_and_differ_in_more_than_case() -> None:
    assert set(SCHEMAS) & LANGUAGES_OWN == set()
    assert [name for name in SCHEMAS if not re.fullmatch("([A-Z][a-z]+)+", name)] == []
    assert len({name.lower() for name in SCHEMAS}) == len(SCHEMAS)


def test_every_enum_and_const_has_a_type() -> None:
    """openapi-python-client writes a package that can't be imported, Kiota an untyped property."""
    without = [where for where, each in all_parts() if each.keys() & {"enum", "const"} and "type" not in each]
    assert without == []
    values = {
        where: [*each.get("enum", []), *([each["const"]] if "const" in each else [])] for where, each in all_parts()
    }
    # openapi-generator writes a class for true that Python can't read.
    assert [where for where, each in values.items() if not all(isinstance(value, str) for value in each)] == []


def test_every_property_has_a_type() -> None:
    known = {"$ref", "type", "oneOf", "anyOf"}
    assert [where for where, each in all_parts() if not each.keys() & known and where != "PreviewRow/items"] == []


def test_no_property_has_a_default() -> None:
    """openapi-typescript demands a property that has one."""
    assert [where for where, each in all_parts() if "default" in each] == []


def test_patterns_hold_from_the_beginning_and_for_texts() -> None:
    """The generators for Python match from the beginning, whatever the pattern; a time is no text for them."""
    found = {where: each for where, each in all_parts() if "pattern" in each}
    plain = {where: re.sub(r"\[[^\]]*\]", "[]", each["pattern"]) for where, each in found.items()}
    assert [where for where, each in plain.items() if not re.fullmatch(r"\^[^|]*(\(.*\))?[^|]*\$", each)] == []
    assert [where for where, each in found.items() if "format" in each] == []


def test_no_object_is_a_map_of_lists_or_objects() -> None:
    """The generator for Python reads the names of such a map, like the column sets, as properties and fails."""
    more = {where: each["additionalProperties"] for where, each in all_parts() if each.get("additionalProperties")}
    assert [where for where, each in more.items() if each is not True and each.get("type") != "integer"] == []


def test_an_export_is_the_same_model_in_every_state() -> None:
    answers = [OPERATIONS[name]["responses"] for name in ("startExport", "showExport", "cancelExport")]
    found = [answer[status] for answer in answers for status in ("200", "202", "500") if status in answer]
    assert {each["content"]["application/json"]["schema"]["$ref"] for each in found} == {"#/components/schemas/Export"}
    for name in ("Export", "ListedExport"):
        assert SCHEMAS[name]["properties"]["status"] == {"$ref": "#/components/schemas/ExportStatus"}
    assert SCHEMAS["ExportStatus"]["type"] == "string"


def test_exceptions_have_words() -> None:
    """Kiota takes an exception's message from the property that is marked, also inside of another."""
    assert SCHEMAS["Problem"]["properties"]["detail"]["x-ms-primary-error-message"] is True
    assert SCHEMAS["ExportFailure"]["properties"]["message"]["x-ms-primary-error-message"] is True
    assert SCHEMAS["Export"]["properties"]["error"]["$ref"] == "#/components/schemas/ExportFailure"


@operation
def test_every_error_is_a_problem(operation: Json) -> None:
    for status, answer in operation["responses"].items():
        if status >= "400" and (operation["operationId"], status) != ("showExport", "500"):
            assert resolved(answer)["content"].keys() == {"application/problem+json"}, status


@operation
def test_an_operation_tells_people_what_it_is(operation: Json) -> None:
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in {tag["name"] for tag in CONTRACT["tags"] if tag["description"]}
    assert operation["summary"]
    assert operation["description"]
    assert all(resolved(each)["description"] for each in operation.get("parameters", []))


@operation
def test_bodies_and_answers_have_examples_that_are_valid(operation: Json) -> None:
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    for answer in [*bodies, *map(resolved, operation["responses"].values())]:
        for media, content in answer.get("content", {}).items():
            if "json" not in media or content["schema"]["$ref"].endswith("Document"):
                continue
            examples = [resolved(each)["value"] for each in content.get("examples", {}).values()]
            examples += [content["example"]] if "example" in content else []
            assert examples, answer["description"]
            for example in examples:
                validate(example, content["schema"])


def test_every_model_says_what_it_is_and_has_valid_examples() -> None:
    assert [name for name, schema in SCHEMAS.items() if not schema.get("description")] == []
    for where, schema in all_parts():
        for example in schema.get("examples", []):
            validate(example, schema)
        Draft202012Validator.check_schema(schema)
        assert "example" not in schema, where


def test_callers_can_see_how_to_sign_in() -> None:
    assert {name for each in CONTRACT["security"] for name in each} == set(CONTRACT["components"]["securitySchemes"])
    assert [name for name, each in OPERATIONS.items() if each.get("security") == []] == ["showContract", "showSwagger"]
