"""Odd JSON is read as far as possible, after the strict decoder has refused it.

Real tenants have lone surrogates in texts, null in lists, and numbers where texts are documented. One such value must
not make the export fail. So a value of an undocumented type is converted:

- text: U+FFFD replaces halves of characters; a number becomes its digits as they came, anything else its JSON
- list: null and unreadable values are left out; a single value becomes a list of one
- any other type: the value that the text or number plainly names (`"true"`), else nothing

A required value (the id of a user) is never guessed: then the answer is refused.
"""

import functools
import json
import re
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Raw

Read = TypeVar("Read")

_NO_CHARACTER = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"


def decode(content: bytes, kind: type[Read]) -> tuple[Read, tuple[str, ...]]:
    """The value, and the names of its properties in which something was odd.

    Raises msgspec.ValidationError when it can't be of this type, and msgspec.DecodeError when it is not JSON.
    """
    return convert(parse(content), kind)


def parse(content: bytes) -> Any:
    """JSON as Python's values; numbers stay as they are written (msgspec.Raw). Raises msgspec.DecodeError."""
    text = content.removeprefix(_BOM).decode(errors="surrogateescape")  # Wrong UTF-8 becomes lone surrogates.
    try:
        return json.loads(text, strict=False, parse_int=_number, parse_float=_number, parse_constant=_number)
    except ValueError as problem:
        raise msgspec.DecodeError(str(problem)) from None
    except RecursionError:
        raise msgspec.ValidationError("It is nested too deeply.") from None


def convert(value: Any, kind: type[Read]) -> tuple[Read, tuple[str, ...]]:
    """As `decode`, from a value of `parse`."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=kind), ()
    except (msgspec.DecodeError, UnicodeEncodeError):
        odd: set[str] = set()
        return _read(value, kind, odd, "", required=True), tuple(sorted(odd))


def clean(text: str) -> str:
    """The text with U+FFFD for halves of characters."""
    return _NO_CHARACTER.sub("\ufffd", text)


def _number(literal: str) -> Raw:
    return Raw(literal.encode())


@functools.cache
def _fields(kind: type[Any]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def _read(value: Any, kind: Any, odd: set[str], name: str, *, required: bool) -> Any:
    """The value as this type, or None. `name`: of the outermost property; it is noted when something is odd."""
    if get_origin(kind) is UnionType:
        if value is None:
            return None
        kind = next(each for each in get_args(kind) if each is not type(None))
    if kind is Raw:
        return Raw(_json(value).encode())
    if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(value, kind, odd, name)
    if isinstance(value, list) and get_origin(kind) is list:
        items = [_read(each, get_args(kind)[0], odd, name, required=required) for each in value]
        return [each for each in items if each is not None]
    try:
        return msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except (msgspec.DecodeError, UnicodeEncodeError) as problem:
        if required:
            raise msgspec.ValidationError(f"{problem} ({name or 'the whole'} is required)") from None
    odd.add(name)
    return _guessed(value, kind, odd, name)


def _struct(value: dict[str, Any], kind: type[msgspec.Struct], odd: set[str], name: str) -> Any:
    values: dict[str, Any] = {}
    for field in _fields(kind):
        key = field.encode_name
        if key in value:
            values[field.name] = _read(value[key], field.type, odd, name or key, required=field.required)
        elif field.required:
            raise msgspec.ValidationError(f"Object missing required field `{key}`")
    return kind(**{key: each for key, each in values.items() if each is not None})


def _guessed(value: Any, kind: Any, odd: set[str], name: str) -> Any:
    if value is None:
        return None
    if get_origin(kind) is list:
        one = _read(value, get_args(kind)[0], odd, name, required=False)
        return None if one is None else [one]
    if isinstance(value, dict | list):
        try:  # Unchanged, except for halves of characters.
            return msgspec.json.decode(msgspec.json.encode(_cleaned(value)), type=kind)
        except (msgspec.DecodeError, UnicodeEncodeError):
            pass
    text = clean(value) if isinstance(value, str) else msgspec.json.encode(_cleaned(value)).decode(errors="replace")
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        return None


def _json(value: Any) -> str:
    """The JSON of a value of `parse`, also with halves of characters, which msgspec does not write."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_json(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return bytes(value).decode() if isinstance(value, Raw) else json.dumps(value)


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean(key): _cleaned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return clean(value) if isinstance(value, str) else value
