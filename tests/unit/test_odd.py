"""What Graph really sends in place of what is documented: read as far as it can be read, and named."""

import json
from typing import Any

import msgspec
import pytest

from shared.graph.odd import decode
from shared.graph.user_parts import Identity
from shared.graph.users import User

ID = '"id": "11111111-2222-3333-4444-555555555555"'


def read(properties: str) -> tuple[User, tuple[str, ...]]:
    return decode(f"{{{ID}, {properties}}}".encode(), User)


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (r'"Ann \ud83d"', "Ann \ufffd"),
        (r'"\udc00\ud83d\ude00\ud83d"', "\ufffd\U0001f600\ufffd"),
        ("7", "7"),
        ("1.50", "1.50"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("9" * 5000, "9" * 5000),
        ("1e999", "1e999"),
        ("NaN", "NaN"),
        ("true", "true"),
        ('{"a": [1.0, null]}', '{"a":[1.0,null]}'),
        (r'["\ud83d"]', '["\ufffd"]'),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_should_be_a_text_is_the_text_of_what_came(sent: str, text: str) -> None:
    user, odd = read(f'"displayName": {sent}, "city": "Bonn"')
    assert (user.display_name, user.city, odd) == (text, "Bonn", ("displayName",))


@pytest.mark.parametrize(
    ("sent", "phones"),
    [
        ("[null]", []),
        ('["1", null, "2"]', ["1", "2"]),
        ("[1, [2], {}]", ["1", "[2]", "{}"]),
        (r'["\ud83d"]', ["\ufffd"]),
        ('"1"', ["1"]),
        ("5", ["5"]),
    ],
)
def test_a_list_has_what_of_it_can_be_read(sent: str, phones: list[str]) -> None:
    user, odd = read(f'"businessPhones": {sent}')
    assert (user.business_phones, odd) == (phones, ("businessPhones",))


@pytest.mark.parametrize(
    ("sent", "enabled"),
    [('"True"', True), ('"false"', False), ("1", True), ('"maybe"', None), ("[true]", None), ("{}", None)],
)
def test_a_boolean_is_what_a_text_plainly_says_or_nothing(sent: str, enabled: bool | None) -> None:
    user, odd = read(f'"accountEnabled": {sent}')
    assert (user.account_enabled, odd) == (enabled, ("accountEnabled",))


@pytest.mark.parametrize(
    ("sent", "issuers"),
    [
        ('[{"issuer": 5}, null, "x", {"issuer": "b"}]', ["5", "b"]),
        ('{"issuer": "a"}', ["a"]),
        ("3", None),
    ],
)
def test_objects_within_a_property_are_read_in_the_same_way(sent: str, issuers: list[str] | None) -> None:
    user, odd = read(f'"identities": {sent}')
    assert user.identities == (None if issuers is None else [Identity(each) for each in issuers])
    assert odd == ("identities",)


def test_null_is_nothing_odd_and_neither_is_what_nobody_asked_for() -> None:
    user, odd = read(r'"city": null, "businessPhones": null, "accountEnabled": null, "other": "\ud83d"')
    assert (user.city, user.business_phones, user.account_enabled, odd) == (None, None, None, ())


def test_what_is_no_utf8_is_no_character() -> None:
    user, odd = decode(b'{%s, "city": "K\xf6ln"}' % ID.encode(), User)
    assert (user.city, odd) == ("K\ufffdln", ("city",))


@pytest.mark.parametrize("sent", ["5", "null", '""', r'"\ud83d"', '["a"]', "{}"])
def test_who_a_user_is_is_never_guessed(sent: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(f'{{"id": {sent}, "city": "Bonn"}}'.encode(), User)


@pytest.mark.parametrize("value", [[], None, "ann", 5, {}], ids=json.dumps)
def test_what_is_no_user_is_refused(value: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(json.dumps(value).encode(), User)


@pytest.mark.parametrize("end", range(1, 40, 6))
def test_what_is_cut_off_is_no_json(end: int) -> None:
    whole = f'{{{ID}, "displayName": "Ann \\ud83d", "city": 5}}'.encode()
    with pytest.raises(msgspec.DecodeError) as refused:
        decode(whole[:-end], User)
    assert not isinstance(refused.value, msgspec.ValidationError)


def test_json_that_is_read_later_stays_as_it_is() -> None:
    class Item(msgspec.Struct):
        body: msgspec.Raw

    sent = r'{"a":["\ud83d",1.50,null,true],"\ud83d":"\u00f6"}'
    item, odd = decode(f'{{"body": {sent}}}'.encode(), Item)
    assert (bytes(item.body).decode(), odd) == (sent, ())
