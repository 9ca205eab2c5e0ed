"""The contract as OpenAPI 2.0 for Power Platform's custom connectors, made of `openapi.json`. Pure.

What 2.0 can't say becomes less: of a text or a list the list, of a text or an object the object, of null nothing (a
connector leaves out what is empty). Only objects stay models; all else is written where it is used, so that each field
has a title of its own. Callbacks and the page are left out, and so is the sign-in by cookie.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.api import hints

Json = dict[str, Any]

CONTRACTS = {"showContract", "showSwagger"}
LEFT_OUT = {"Page"}
_PLAIN = ("type", "format", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_AS_THEY_ARE = (*_PLAIN, "uniqueItems", "description", "required", "maxProperties", "minProperties")
_ENDS = "In a flow the action itself asks again until the export has ended, and gives what it has then."


@dataclass(frozen=True, slots=True)
class _Source:
    """The contract, and whether a model is one that callers send: of these a choice of types must become one type."""

    contract: Json
    sent: bool = False


def swagger(contract: Json, address: str, tenant: str = "") -> Json:
    """`address`: where the API is, such as https://app.azurewebsites.net/api. `tenant`: whose people sign in."""
    scheme, _, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    login = f"https://login.microsoftonline.com/{tenant or 'organizations'}/oauth2/v2.0"
    paths = _paths(contract)
    info = {name: value for name, value in contract["info"].items() if name != "license"}
    return {
        "swagger": "2.0",
        "info": info,
        "host": host,
        "basePath": f"{slash}{path}" or "/",
        "schemes": [scheme],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "tags": [tag for tag in contract["tags"] if tag["name"] not in LEFT_OUT],
        "securityDefinitions": {
            "token": {
                "type": "oauth2",
                "flow": "accessCode",
                "authorizationUrl": f"{login}/authorize",
                "tokenUrl": f"{login}/token",
                "scopes": {},
                "description": contract["components"]["securitySchemes"]["token"]["description"],
            }
        },
        "security": [{"token": []}],
        "paths": paths,
        "definitions": _definitions(contract, paths),
    }


def _definitions(contract: Json, paths: Json) -> Json:
    """The models that operations use, also by way of others."""
    schemas = contract["components"]["schemas"]
    operations = [operation for item in contract["paths"].values() for operation in item.values()]
    sent = _named([each["requestBody"] for each in operations if "requestBody" in each])
    while more := _named([schemas[name] for name in sent]) - sent:
        sent |= more
    found: dict[str, Json] = {}
    while missing := _named([paths, found]) - {*found}:
        found |= {name: _schema(_Source(contract, sent=name in sent), schemas[name], name) for name in missing}
    return dict(sorted(found.items()))


def _named(nodes: Any) -> set[str]:
    """The names of the schemas that these refer to, in the contract or in what was made of it."""
    return set(re.findall(r'"#/(?:components/schemas|definitions)/(\w+)"', json.dumps(nodes)))


def _paths(contract: Json) -> Json:
    found: dict[str, Json] = {}
    for path, item in contract["paths"].items():
        shared = item.get("parameters", [])
        operations = {
            method: _operation(contract, operation, [*shared, *operation.get("parameters", [])])
            for method, operation in item.items()
            if method != "parameters" and not LEFT_OUT & {*operation["tags"]}
        }
        if operations:
            found[path] = operations
    return found


def _operation(contract: Json, operation: Json, parameters: list[Json]) -> Json:
    body = operation.get("requestBody")
    given = [_parameter(_Source(contract, sent=True), _resolved(contract, each)) for each in parameters]
    if body:
        schema = _used(_Source(contract, sent=True), _json_of(body)["schema"], "body")
        given.append({"name": "body", "in": "body", "required": body.get("required", False), "schema": schema})
    responses = {
        status: _response(contract, _resolved(contract, answer)) for status, answer in operation["responses"].items()
    }
    text = operation["description"]
    if "202" in responses:
        text = f"{text} {_ENDS}"
        # What the action gives in a flow; only of a POST that starts something it is not there already.
        if "200" not in responses:
            ended = contract["paths"]["/exports/{id}"]["get"]["responses"]["200"]
            responses["200"] = _response(contract, ended)
    made: Json = {
        "operationId": operation["operationId"],
        "summary": operation["summary"],
        "description": text,
        "tags": operation["tags"],
        "x-ms-visibility": "internal" if operation["operationId"] in CONTRACTS else "important",
        "parameters": given,
        "responses": dict(sorted(responses.items())),
    }
    if any("problem+json" in media for media in _media(contract, operation)):
        made["produces"] = ["application/json", "application/problem+json"]
    if "security" in operation:
        made["security"] = []
    if "202" in responses:
        made |= {"x-ms-long-running-operation": True}
        made |= {"x-ms-long-running-operation-options": {"final-state-via": "location"}}
    return made


def _media(contract: Json, operation: Json) -> list[str]:
    answers = (_resolved(contract, answer) for answer in operation["responses"].values())
    return [media for answer in answers for media in answer.get("content", {})]


def _parameter(source: _Source, parameter: Json) -> Json:
    name = parameter["name"]
    made: Json = {key: parameter[key] for key in ("name", "in", "description") if key in parameter}
    made |= {"required": parameter.get("required", False)}
    made |= {key: value for key, value in _used(source, parameter["schema"], name).items() if key in _PLAIN}
    made |= hints.of(name, in_path=parameter["in"] == "path")
    # A path's part is put together by the connector.
    return made | ({"x-ms-url-encoding": "single"} if parameter["in"] == "path" else {})


def _response(contract: Json, answer: Json) -> Json:
    made: Json = {"description": answer["description"]}
    content = answer.get("content", {})
    for media, described in content.items():
        made["schema"] = _used(_Source(contract), described["schema"], "")
        examples = [_resolved(contract, each)["value"] for each in described.get("examples", {}).values()]
        examples += [described["example"]] if "example" in described else []
        if examples:
            made["examples"] = {media: _without_null(examples[0])}
    headers = {name: _resolved(contract, header) for name, header in answer.get("headers", {}).items()}
    if headers:
        made["headers"] = {
            name: {"description": header["description"]}
            | {key: value for key, value in _schema(_Source(contract), header["schema"], name).items() if key in _PLAIN}
            for name, header in headers.items()
        }
    return made


def _used(source: _Source, schema: Json, name: str) -> Json:
    """A schema where it is used: a model by reference, all else as it is. `name`: that of the field."""
    if "$ref" in schema:
        target = _resolved(source.contract, schema)
        if _is_model(target):
            return {"$ref": f"#/definitions/{schema['$ref'].rsplit('/', 1)[1]}"}
        # What is said where it is used wins.
        return _used(source, target | {key: value for key, value in schema.items() if key != "$ref"}, name)
    return _schema(source, schema, name)


def _schema(source: _Source, schema: Json, name: str) -> Json:
    union: list[Json] = schema.get("oneOf") or schema.get("anyOf") or []
    choices = [each for each in union if each != {"type": "null"}]
    if choices:
        chosen = _chosen(source, choices)
        said = {key: schema[key] for key in ("description",) if key in schema}
        nullable = {"x-nullable": True} if len(choices) < len(union) else {}
        found = _used(source, chosen | said, name)
        if "items" in found:
            found["items"] |= hints.choice(name)
        return found | nullable if "type" in found else found
    kind = schema.get("type")
    made = {key: schema[key] for key in _AS_THEY_ARE if key in schema}
    if isinstance(kind, list):
        (kind,) = (each for each in kind if each != "null")
        made |= {"type": kind, "x-nullable": True}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    made |= {key: value for key, value in schema.items() if key.startswith("x-ms-")}
    if "examples" in schema:
        made["example"] = schema["examples"][0]
    if "properties" in schema:
        made["properties"] = {
            field: _field(_used(source, each, field), field) for field, each in schema["properties"].items()
        }
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        made["additionalProperties"] = _used(source, dict(more), "")
    if kind == "array":
        made["items"] = _used(source, schema["items"], "")
    if made.get("required") == []:
        del made["required"]
    return made


def _chosen(source: _Source, choices: list[Json]) -> Json:
    """Of a text or a list the list, of a text or objects one object with the properties of all; in answers anything."""
    if len(choices) == 1:
        return choices[0]
    if not source.sent:
        return {}
    found = [_resolved(source.contract, each) for each in choices]
    lists = [each for each in found if each.get("type") == "array"]
    objects = [each for each in found if "properties" in each]
    if lists:
        return lists[0]
    if objects:
        properties = {name: each for one in objects for name, each in one["properties"].items()}
        return {"type": "object", "properties": properties}
    return found[-1]


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(each) for name, each in value.items() if each is not None}
    return [_without_null(each) for each in value] if isinstance(value, list) else value


def _field(made: Json, name: str) -> Json:
    """A property of a model with its hints; beside a reference 2.0 reads none."""
    return made if "$ref" in made else made | hints.of(name)


def _is_model(schema: Json) -> bool:
    return schema.get("type") == "object" and ("properties" in schema or "additionalProperties" in schema)


def _json_of(body: Json) -> Json:
    found: Json = body["content"]["application/json"]
    return found


def _resolved(contract: Json, node: Json) -> Json:
    while "$ref" in node:
        found: Any = contract
        for part in node["$ref"].split("/")[1:]:
            found = found[part]
        node = found
    return node
