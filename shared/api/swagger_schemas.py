"""The schemas of the contract as those of OpenAPI 2.0. Pure.

Version 2.0 has no choice of types, so one is taken: the list of a text or a list, the object of a text or an object. It
has no null either (a connector leaves out empty values). Only objects stay models. All other schemas are written where
they are used, so that each field has a title of its own.
"""

import functools
import json
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.api import hints

Json = dict[str, Any]

_PLAIN = ("type", "format", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
"""What a parameter and a header may say in 2.0."""
_AS_THEY_ARE = (*_PLAIN, "uniqueItems", "description", "required", "maxProperties", "minProperties")


@dataclass(frozen=True, slots=True)
class Source:
    """The contract, and whether a model is one that callers send: of these a choice of types must become one type."""

    contract: Json
    sent: bool = False


def definitions(contract: Json, paths: Json) -> Json:
    """The models that operations use, also by way of others."""
    schemas = contract["components"]["schemas"]
    operations = [operation for item in contract["paths"].values() for operation in item.values()]
    sent = names_in([each["requestBody"] for each in operations if "requestBody" in each])
    while more := names_in([schemas[name] for name in sent]) - sent:
        sent |= more
    models: dict[str, Json] = {}
    while missing := names_in([paths, models]) - {*models}:
        models |= {name: convert_schema(Source(contract, sent=name in sent), schemas[name], name) for name in missing}
    return dict(sorted(models.items()))


def reference_or_schema(source: Source, schema: Json, name: str) -> Json:
    """A schema where it is used: a model by reference, all else as it is. `name`: that of the field."""
    if "$ref" in schema:
        target = resolve(source.contract, schema)
        if _is_model(target):
            return {"$ref": f"#/definitions/{schema['$ref'].rsplit('/', 1)[1]}"}
        # Properties beside the reference replace those of its target.
        return reference_or_schema(
            source, target | {key: value for key, value in schema.items() if key != "$ref"}, name
        )
    return convert_schema(source, schema, name)


def convert_schema(source: Source, schema: Json, name: str) -> Json:
    """This schema in 2.0. `name`: that of the field."""
    if union := schema.get("oneOf") or schema.get("anyOf"):
        return _one_type(source, schema, union, name)
    kind = schema.get("type")
    converted = {key: schema[key] for key in _AS_THEY_ARE if key in schema}
    if isinstance(kind, list):
        (kind,) = (each for each in kind if each != "null")
        converted |= {"type": kind, "x-nullable": True}
    if "const" in schema:
        converted["enum"] = [schema["const"]]
    converted |= {key: value for key, value in schema.items() if key.startswith("x-ms-")}
    if "examples" in schema:
        converted["example"] = schema["examples"][0]
    if "properties" in schema:
        converted["properties"] = {
            field: _field(reference_or_schema(source, each, field), field)
            for field, each in schema["properties"].items()
        }
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        converted["additionalProperties"] = reference_or_schema(source, dict(more), "")
    if kind == "array":
        converted["items"] = reference_or_schema(source, schema["items"], "")
    if converted.get("required") == []:
        del converted["required"]
    return converted


def _one_type(source: Source, schema: Json, union: list[Json], name: str) -> Json:
    choices = [each for each in union if each != {"type": "null"}]
    description = {key: schema[key] for key in ("description",) if key in schema}
    converted = reference_or_schema(source, _chosen(source, choices) | description, name)
    if "items" in converted:
        converted["items"] |= hints.choice(name)
    nullable = "type" in converted and len(choices) < len(union)
    return converted | ({"x-nullable": True} if nullable else {})


def _chosen(source: Source, choices: list[Json]) -> Json:
    """Of a text or a list the list, of a text or objects one object with the properties of all; in answers anything."""
    if len(choices) == 1:
        return choices[0]
    if not source.sent:
        return {}
    types = [resolve(source.contract, each) for each in choices]
    lists = [each for each in types if each.get("type") == "array"]
    objects = [each for each in types if "properties" in each]
    if lists:
        return lists[0]
    if objects:
        properties = {name: each for one in objects for name, each in one["properties"].items()}
        return {"type": "object", "properties": properties}
    return types[-1]


def plain(schema: Json) -> Json:
    """What a parameter or a header has of a schema."""
    return {key: value for key, value in schema.items() if key in _PLAIN}


def _field(converted: Json, name: str) -> Json:
    """A property of a model with its hints; beside a reference 2.0 reads none."""
    return converted if "$ref" in converted else converted | hints.of(name)


def _is_model(schema: Json) -> bool:
    return schema.get("type") == "object" and ("properties" in schema or "additionalProperties" in schema)


def names_in(nodes: Any) -> set[str]:
    """The names of the schemas that these refer to, in the contract or in what was made of it."""
    return set(re.findall(r'"#/(?:components/schemas|definitions)/(\w+)"', json.dumps(nodes)))


def resolve(contract: Json, node: Json) -> Json:
    """What a reference leads to; anything else as it is."""
    while "$ref" in node:
        node = functools.reduce(operator.getitem, node["$ref"].split("/")[1:], contract)
    return node
