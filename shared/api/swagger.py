"""The contract as OpenAPI 2.0 for Power Platform's custom connectors, made of `openapi.json`. Pure.

Callbacks and the page are left out, and so is the sign-in by cookie.
"""

from typing import Any

from shared.api import hints
from shared.api.swagger_schemas import Json, Source, convert_schema, definitions, plain, reference_or_schema, resolve

CONTRACTS = {"showContract", "showSwagger"}
LEFT_OUT = {"Page"}
_POLLS = "In a flow the action itself asks again until the export has ended, and gives what it has then."


def swagger(contract: Json, address: str, tenant: str = "") -> Json:
    """`address`: where the API is, such as https://app.azurewebsites.net/api. `tenant`: whose people sign in."""
    scheme, _, authority = address.partition("://")
    host, slash, path = authority.partition("/")
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
        "definitions": definitions(contract, paths),
    }


def _paths(contract: Json) -> Json:
    paths: dict[str, Json] = {}
    for path, item in contract["paths"].items():
        shared = item.get("parameters", [])
        operations = {
            method: _operation(contract, operation, [*shared, *operation.get("parameters", [])])
            for method, operation in item.items()
            if method != "parameters" and not LEFT_OUT & {*operation["tags"]}
        }
        if operations:
            paths[path] = operations
    return paths


def _operation(contract: Json, operation: Json, parameters: list[Json]) -> Json:
    body = operation.get("requestBody")
    given = [_parameter(Source(contract, sent=True), resolve(contract, each)) for each in parameters]
    if body:
        schema = reference_or_schema(Source(contract, sent=True), _json_of(body)["schema"], "body")
        given.append({"name": "body", "in": "body", "required": body.get("required", False), "schema": schema})
    responses = {
        status: _response(contract, resolve(contract, answer)) for status, answer in operation["responses"].items()
    }
    text = operation["description"]
    if "202" in responses:
        text = f"{text} {_POLLS}"
        # What the action gives in a flow. Of a POST that starts something the contract does not have it.
        if "200" not in responses:
            ended = contract["paths"]["/exports/{id}"]["get"]["responses"]["200"]
            responses["200"] = _response(contract, ended)
    converted: Json = {
        "operationId": operation["operationId"],
        "summary": operation["summary"],
        "description": text,
        "tags": operation["tags"],
        "x-ms-visibility": "internal" if operation["operationId"] in CONTRACTS else "important",
        "parameters": given,
        "responses": dict(sorted(responses.items())),
    }
    if any("problem+json" in media for media in _media(contract, operation)):
        converted["produces"] = ["application/json", "application/problem+json"]
    if "security" in operation:
        converted["security"] = []
    if "202" in responses:
        converted |= {"x-ms-long-running-operation": True}
        converted |= {"x-ms-long-running-operation-options": {"final-state-via": "location"}}
    return converted


def _media(contract: Json, operation: Json) -> list[str]:
    answers = (resolve(contract, answer) for answer in operation["responses"].values())
    return [media for answer in answers for media in answer.get("content", {})]


def _parameter(source: Source, parameter: Json) -> Json:
    name = parameter["name"]
    converted: Json = {key: parameter[key] for key in ("name", "in", "description") if key in parameter}
    converted |= {"required": parameter.get("required", False)}
    converted |= plain(reference_or_schema(source, parameter["schema"], name))
    converted |= hints.of(name, in_path=parameter["in"] == "path")
    # The connector puts the path together.
    return converted | ({"x-ms-url-encoding": "single"} if parameter["in"] == "path" else {})


def _response(contract: Json, answer: Json) -> Json:
    converted: Json = {"description": answer["description"]}
    content = answer.get("content", {})
    for media, described in content.items():
        converted["schema"] = reference_or_schema(Source(contract), described["schema"], "")
        examples = [resolve(contract, each)["value"] for each in described.get("examples", {}).values()]
        examples += [described["example"]] if "example" in described else []
        if examples:
            converted["examples"] = {media: _without_null(examples[0])}
    headers = {name: resolve(contract, header) for name, header in answer.get("headers", {}).items()}
    if headers:
        converted["headers"] = {
            name: {"description": header["description"]}
            | plain(convert_schema(Source(contract), header["schema"], name))
            for name, header in headers.items()
        }
    return converted


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_null(each) for name, each in value.items() if each is not None}
    return [_without_null(each) for each in value] if isinstance(value, list) else value


def _json_of(body: Json) -> Json:
    media: Json = body["content"]["application/json"]
    return media
