"""What a caller may ask for, and that everything else is refused with all its problems at once."""

import json
import time
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.body import MAX_BODY, MAX_USERS
from shared.api.problems import BadRequest
from shared.api.request import ExportRequest, parse
from shared.files.columns import COLUMN_SETS, COLUMNS
from shared.settings import Settings, host_matches

NOW = datetime(2026, 2, 28, 23, 59, tzinfo=UTC)
SETTINGS = Settings.from_env(
    {
        "EXPORT_STORAGE": "UseDevelopmentStorage=true",
        "EXPORT_DEFAULT_COLUMNS": "profile",
        "EXPORT_CALLBACK_HOSTS": "*.logic.azure.com,hooks.contoso.com",
    }
)


def asked(**body: Any) -> ExportRequest:
    return parse(json.dumps(body).encode(), SETTINGS, NOW)


def refused(body: dict[str, Any] | bytes) -> dict[str, str]:
    """The problems by their pointers."""
    with pytest.raises(BadRequest) as caught:
        parse(body if isinstance(body, bytes) else json.dumps(body).encode(), SETTINGS, NOW)
    assert caught.value.problems
    return {problem.pointer: problem.detail for problem in caught.value.problems}


@pytest.mark.parametrize(
    "body", [b"{}", b" {}\r\n", b"\xef\xbb\xbf{}", b'{"columns": null, "filter": null, "users": null}']
)
def test_an_empty_object_asks_for_everything_as_it_is_by_default(body: bytes) -> None:
    assert parse(body, SETTINGS, NOW) == ExportRequest(
        file_name="exportUsers_2026-02-28",
        columns=COLUMN_SETS["profile"],
        filter="",
        users=(),
        excel=True,
        callback_url="",
    )


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_no_body_is_refused_because_it_may_have_been_lost(body: bytes) -> None:
    assert "send {} to export all users" in refused(body)[""]


def test_everything_can_be_asked_for() -> None:
    found = asked(
        fileName="guests.csv",
        columns=["id", "mail"],
        filter=" userType eq 'Guest' ",
        excel=False,
        callbackUrl="https://prod-1.westeurope.logic.azure.com/workflows/1?sig=a",
    )

    assert found == ExportRequest(
        file_name="guests",
        columns=("id", "mail"),
        filter="userType eq 'Guest'",
        excel=False,
        callback_url="https://prod-1.westeurope.logic.azure.com/workflows/1?sig=a",
    )


def test_all_problems_are_told_at_once_each_with_its_place() -> None:
    problems = refused(
        {
            "fileName": "../a",
            "columns": ["id", "nope", 3, "id"],
            "filter": "userType eq",
            "users": ["ok@contoso.com", 1],
            "excel": "yes",
            "callbackUrl": "http://x.logic.azure.com",
            "a/b~c": 1,
        }
    )

    assert set(problems) == {
        *("/fileName", "/columns/1", "/columns/2", "/columns/3", "/filter", "/users/1", "/excel", "/callbackUrl"),
        "/a~1b~0c",
    }


@pytest.mark.parametrize(
    ("body", "pointer", "meant"),
    [
        ({"filename": "a"}, "/filename", "fileName"),
        ({"column": "portal"}, "/column", "columns"),
        ({"columns": "Portal"}, "/columns", "portal"),
        ({"columns": ["userprincipalname"]}, "/columns/0", "userPrincipalName"),
        ({"columns": ["displaynam"]}, "/columns/0", "displayName"),
    ],
)
def test_a_name_that_is_nearly_right_is_told_with_the_right_one(body: dict[str, Any], pointer: str, meant: str) -> None:
    assert f"(did you mean {meant}?)" in refused(body)[pointer]


def test_a_name_that_is_like_no_other_gets_no_guess() -> None:
    assert "did you mean" not in refused({"columns": ["zzz"]})["/columns/0"]


@pytest.mark.parametrize("name", COLUMN_SETS)
def test_columns_can_be_the_name_of_a_set(name: str) -> None:
    assert asked(columns=name).columns == COLUMN_SETS[name]
    # A connector of Power Platform can send lists only.
    assert asked(columns=[name]).columns == COLUMN_SETS[name]
    assert "/columns/0" in refused({"columns": [name, "displayName"]})


def test_columns_can_be_any_of_the_table_in_any_order() -> None:
    assert asked(columns=list(COLUMNS)[::-1]).columns == tuple(COLUMNS)[::-1]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"format": "xlsx", "compress": True}, {"/compress"}),
        ({"format": "xlsx", "separator": ",", "excel": True}, {"/separator", "/excel"}),
        ({"format": "jsonl", "excel": False}, {"/excel"}),
        ({"format": "parquet"}, {"/format"}),
        ({"format": ["csv"]}, {"/format"}),
        ({"separator": "\t"}, {"/separator"}),
        ({"compress": "yes"}, {"/compress"}),
    ],
)
def test_what_a_format_does_not_have_is_refused(body: dict[str, Any], pointers: set[str]) -> None:
    assert set(refused(body)) == pointers


def test_a_format_that_is_nearly_right_is_told() -> None:
    assert "did you mean xlsx?" in refused({"format": "XLS"})["/format"]


@pytest.mark.parametrize(
    ("body", "format_", "compress", "separator"),
    [
        ({"format": None, "compress": None, "separator": None, "excel": None}, "csv", False, ","),
        ({"format": "xlsx", "compress": False, "separator": None, "excel": None}, "xlsx", False, ","),
        ({"format": "jsonl", "compress": True}, "jsonl", True, ","),
        ({"separator": ";", "compress": True}, "csv", True, ";"),
    ],
)
def test_every_format_can_be_asked_for(body: dict[str, Any], format_: str, compress: bool, separator: str) -> None:
    found = asked(**body)
    assert (found.format, found.compress, found.separator) == (format_, compress, separator)


@pytest.mark.parametrize(
    ("name", "body", "used"),
    [
        ("users.XLSX", {"format": "xlsx"}, "users"),
        ("users.csv", {"format": "xlsx"}, "users.csv"),
        ("users.jsonl", {}, "users.jsonl"),
        ("users.jsonl.gz", {"format": "jsonl", "compress": True}, "users"),
        ("users.csv", {"compress": True}, "users"),
        ("users.csv.gz", {}, "users.csv.gz"),
        ("users.gz", {"compress": True}, "users.gz"),
    ],
)
def test_a_file_name_loses_the_ending_of_its_own_format_only(name: str, body: dict[str, Any], used: str) -> None:
    assert asked(fileName=name, **body).file_name == used


def test_a_long_file_name_is_measured_with_the_ending_of_its_format() -> None:
    assert asked(fileName="a" * 251).file_name == "a" * 251
    assert "/fileName" in refused({"fileName": "a" * 251, "compress": True})


@pytest.mark.parametrize("columns", [[], "", {}, 1, True])
def test_columns_that_are_no_set_and_no_list_are_refused(columns: Any) -> None:
    assert "/columns" in refused({"columns": columns})


def test_users_are_taken_once_whatever_their_case_in_the_order_of_the_caller() -> None:
    found = asked(users=["Zoe@contoso.com", " ann@contoso.com ", "zoe@CONTOSO.com", "ANN@contoso.com", "1-2-3"])

    assert found.users == ("Zoe@contoso.com", "ann@contoso.com", "1-2-3")


@pytest.mark.parametrize("user", ["", " ", None, 5, ["a"], {}])
def test_what_is_no_name_at_all_is_refused_with_its_place(user: Any) -> None:
    assert set(refused({"users": ["ann@contoso.com", user]})) == {"/users/1"}


@pytest.mark.parametrize(
    "user", ["$abc@contoso.com", "a" * 401, "a/b", "..\\b", "a?b", "a%b", "a\nb", "\0", "..", "delta", "me", "$count"]
)
def test_one_strange_name_never_refuses_the_whole_list(user: str) -> None:
    assert asked(users=["ann@contoso.com", user]).users == ("ann@contoso.com", user)


def test_guests_have_a_hash_in_their_name_and_are_users_all_the_same() -> None:
    assert asked(users=["ann_contoso.com#EXT#@tenant.onmicrosoft.com"]).users


@pytest.mark.parametrize("users", [[], "ann@contoso.com", {}, 1])
def test_users_that_are_no_list_are_refused(users: Any) -> None:
    assert "/users" in refused({"users": users})


def test_more_users_than_possible_are_one_problem() -> None:
    assert asked(users=[str(number) for number in range(MAX_USERS)]).users
    assert set(refused({"users": ["a"] * (MAX_USERS + 1)})) == {"/users"}


def test_users_and_a_filter_exclude_each_other() -> None:
    assert "not both" in refused({"users": ["a@contoso.com"], "filter": "userType eq 'Guest'"})["/filter"]


def test_a_filter_from_an_editor_is_taken_as_one_line() -> None:
    assert asked(filter="userType eq 'Guest'\r\n\tand not accountEnabled\n").filter == (
        "userType eq 'Guest' and not accountEnabled"
    )


def test_a_filter_on_sign_ins_and_another_property_is_refused_with_what_to_do() -> None:
    text = "signInActivity/lastSignInDateTime le 2022-12-31T00:00:00Z"
    assert asked(filter=text).filter == text
    assert "in the file" in refused({"filter": f"userType eq 'Guest' and {text}"})["/filter"]


@pytest.mark.parametrize("text", ["", " ", 1, ["a"], "userType eq", "a eq 1) or (b eq 2"])
def test_a_filter_that_is_none_is_refused(text: Any) -> None:
    assert "/filter" in refused({"filter": text})


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("users", "users"),
        ("users.csv", "users"),
        ("users.CSV", "users"),
        (" users.csv ", "users"),
        ("users.csv.csv", "users.csv"),
        ("users 2026-01", "users 2026-01"),
        ("Benutzer_Zürich", "Benutzer_Zürich"),
        ("u\u0308ber", "über"),
        ("利用者", "利用者"),
        ("😀", "😀"),
        ("a" * 251, "a" * 251),
        ("a" * 251 + ".CSV", "a" * 251),
        ("ä" * 125 + "a", "ä" * 125 + "a"),
        ("😀" * 62, "😀" * 62),
        ("CONTOSO", "CONTOSO"),
        ("COM10", "COM10"),
        ("null", "null"),
        ("users.nul", "users.nul"),
        ("console.con", "console.con"),
    ],
)
def test_a_file_name_is_taken_without_its_ending(given: str, used: str) -> None:
    assert asked(fileName=given).file_name == used


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        ".csv",
        ".",
        "..",
        "../users",
        "..\\users",
        "a/b",
        "/etc/passwd",
        "C:users",
        "users\r\nSet-Cookie: a=b",
        "users\0",
        "users\u202evsc.exe",
        "users\u200f",
        "\ufeffusers",
        "users\ue000",
        'users"; filename="x',
        "users?",
        "users*",
        "users|",
        "users#",
        "users%2e",
        "users.",
        ".users",
        "a" * 252,
        "ä" * 126,
        "😀" * 63,
        "利" * 84,
        *("CON", "nul", "Aux.csv", "prn.2026.csv", "COM1", "lpt9.txt", "com0", "COM\u00b9", "con .old", "CONIN$"),
        5,
        ["users"],
        {},
        True,
    ],
)
def test_a_file_name_that_could_do_harm_is_refused(name: Any) -> None:
    assert set(refused({"fileName": name})) == {"/fileName"}


@pytest.mark.parametrize(
    "body",
    [
        *(b"{", b"nonsense", b"{'a': 1}", b"\xff\xfe", b'{"a": "\xff"}', b"\0", b"[" * 100_000, b"NaN", b"{} {}"),
        *(b"\xef\xbb\xbf\xef\xbb\xbf{}", b"{}\xef\xbb\xbf", b"\xef\xbb{}", b"\x1f\x8b\x08\0"),
    ],
    ids=range(13),
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert "not JSON" in refused(body)[""]


@pytest.mark.parametrize("body", [b"[]", b"null", b'"portal"', b"1", b"true"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert refused(body) == {"": "The body must be a JSON object."}


def test_a_body_of_more_than_eight_mebibytes_is_refused_unread() -> None:
    assert parse(b"{}" + b" " * (MAX_BODY - 2), SETTINGS, NOW)
    assert MAX_BODY == 8 * 1024 * 1024
    assert f"at most {MAX_BODY}" in refused(b"{" + b" " * MAX_BODY)[""]


@pytest.mark.parametrize("excel", [0, "false", []])
def test_excel_is_true_or_false(excel: Any) -> None:
    assert set(refused({"excel": excel})) == {"/excel"}


@pytest.mark.parametrize(
    "url",
    [
        "https://prod-1.logic.azure.com",
        "https://PROD-1.Logic.Azure.COM/workflows?api-version=1&sig=a%2Bb",
        "https://a.b.logic.azure.com:443/x",
        "https://hooks.contoso.com/x",
    ],
)
def test_a_callback_goes_to_the_hosts_of_the_setting(url: str) -> None:
    assert asked(callbackUrl=url).callback_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://prod-1.logic.azure.com",
        "//prod-1.logic.azure.com",
        "prod-1.logic.azure.com",
        "ftp://prod-1.logic.azure.com",
        "https://prod-1.logic.azure.com:8443",
        "https://prod-1.logic.azure.com:x",
        "https://someone@prod-1.logic.azure.com",
        "https://someone:secret@prod-1.logic.azure.com",
        "https://evil.example\\@prod-1.logic.azure.com",
        "https://prod-1.logic.azure.com@evil.example",
        "https://logic.azure.com",
        "https://evillogic.azure.com",
        "https://prod-1.logic.azure.com.evil.example",
        "https://prod-1.logic.azure.com\\.evil.example",
        "https://evil.example/prod-1.logic.azure.com",
        "https://evil.example?x=.logic.azure.com",
        "https://evil.example#.logic.azure.com",
        "https://evil.example\t.logic.azure.com",
        "https://evil.example /.logic.azure.com",
        "https://x.hooks.contoso.com",
        "https://169.254.169.254/metadata",
        "https://127.0.0.1",
        "https://[::1]",
        "https://[",
        "https://",
        "https://prod-1.logic.azure.com/" + "a" * 2048,
        "https://prod-1.logic.azure.com/\r\nHost: evil.example",
        "",
        5,
        ["https://prod-1.logic.azure.com"],
        {},
    ],
)
def test_a_callback_to_anywhere_else_is_refused(url: Any) -> None:
    assert set(refused({"callbackUrl": url})) == {"/callbackUrl"}


@pytest.mark.parametrize(
    ("host", "pattern", "matches"),
    [
        ("a.example.com", "*.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("aexample.com", "*.example.com", False),
        ("example.com", "example.com", True),
        ("a.example.com", "example.com", False),
    ],
)
def test_a_star_stands_for_every_host_below(host: str, pattern: str, matches: bool) -> None:
    assert host_matches(host, pattern) is matches


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
properties = st.sampled_from(
    ["fileName", "columns", "filter", "users", "excel", "format", "compress", "separator", "callbackUrl", "x"]
)
texts = st.one_of(
    st.text(),
    st.text(max_size=20).map(lambda text: f"https://{text}.logic.azure.com"),
    st.sampled_from(["portal", "id", "a eq 1", "xlsx", ";", "https://a.logic.azure.com", "https://[a"]),
)


def parsed(body: bytes) -> ExportRequest | BadRequest:
    try:
        return parse(body, SETTINGS, NOW)
    except BadRequest as problem:
        return problem


def assert_request_or_refusal(body: bytes) -> None:
    found = parsed(body)
    if isinstance(found, BadRequest):
        assert found.problems
        assert json.dumps([[each.pointer, each.detail] for each in found.problems])
    else:
        assert set(found.columns) <= set(COLUMNS)
        assert found.columns
        assert found.file_name
        assert not set(found.file_name) & set('/\\\r\n\0"')


@given(st.binary())
def test_arbitrary_bytes_give_a_request_or_a_refusal(body: bytes) -> None:
    assert_request_or_refusal(body)


@given(json_values | st.dictionaries(properties, json_values | texts | st.lists(texts | json_values, max_size=4)))
def test_arbitrary_json_gives_a_request_or_a_refusal(value: Any) -> None:
    assert_request_or_refusal(json.dumps(value).encode())


@given(st.dictionaries(properties, texts | st.lists(texts, max_size=4)))
def test_arbitrary_texts_give_a_request_or_a_refusal(value: Any) -> None:
    assert_request_or_refusal(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def test_many_columns_are_refused_quickly() -> None:
    began = time.process_time()
    assert "/columns" in refused({"columns": ["id"] * 50_000})
    assert "/columns" in refused({"columns": [f"x{at}" for at in range(50_000)]})
    refused({f"x{at}": 1 for at in range(50_000)})
    assert time.process_time() - began < 1.5


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example\\.logic.azure.com/x",
        "https://evil.example%2f.logic.azure.com/",
        "https://evil.example;.logic.azure.com",
        "https://.logic.azure.com/",
        "https://:secret@x.logic.azure.com",
        "https://\u00e9.logic.azure.com",
    ],
)
def test_a_callback_host_is_a_plain_host(url: str) -> None:
    assert set(refused({"callbackUrl": url})) == {"/callbackUrl"}


def without_authentication(**body: Any) -> ExportRequest:
    settings = replace(SETTINGS, default_columns="documented")
    return parse(json.dumps(body).encode(), settings, NOW, authentication=False)


@pytest.mark.parametrize("columns", ["documented", ["objectId", "authenticationEmail"]])
def test_authentication_columns_are_refused_by_name_without_their_role(columns: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        without_authentication(columns=columns)
    assert caught.value.status == 403
    assert "authenticationEmail" in str(caught.value)
    assert "EXPORT_AUTHENTICATION_ROLES" in str(caught.value)


@pytest.mark.parametrize("body", [{}, {"columns": None}])
def test_the_default_columns_lose_them_and_the_caller_is_told(body: Any) -> None:
    wanted = without_authentication(**body)
    assert wanted.columns == COLUMN_SETS["profile"]
    assert "authenticationPhoneNumber" in wanted.notes[0]
    assert parse(b"{}", replace(SETTINGS, default_columns="documented"), NOW).notes == ()


@pytest.mark.parametrize("columns", ["profile", "portal", ["objectId"]])
def test_other_columns_need_no_role_of_their_own(columns: Any) -> None:
    assert without_authentication(columns=columns).notes == ()


MANY = 8_000_000
BOMBS = {
    "address": b'{"callbackUrl": "https://' + b"a" * MANY + b'"}',
    "address with a wide letter": b'{"callbackUrl": "https://' + "\N{GRINNING FACE}".encode() + b"a" * MANY + b'"}',
    "file name": b'{"fileName": "' + "\N{GRINNING FACE}".encode() + b"a" * MANY + b'"}',
    "filter": b'{"filter": "' + "\N{GRINNING FACE}".encode() + b"a" * MANY + b'"}',
    "set": b'{"columns": "' + "\N{GRINNING FACE}".encode() + b"a" * MANY + b'"}',
    "column": b'{"columns": ["' + "\N{GRINNING FACE}".encode() + b"a" * MANY + b'"]}',
    "property": b'{"' + "\N{GRINNING FACE}".encode() + b"a" * MANY + b'": 1}',
    "lists": b'{"users": [' + b"[]," * (MANY // 3) + b"[]]}",
    "lists in lists": b'{"users": [' + (b"[" * 38 + b"]" * 38 + b",") * (MANY // 77) + b"[]]}",
    "objects": b'{"columns": [' + b"{}," * (MANY // 3) + b"{}]}",
    "properties": b"{" + b",".join(b'"%x":1' % number for number in range(MANY // 10)) + b"}",
    "numbers": b'{"users": [' + b"1.5," * (MANY // 4) + b"1]}",
    "depth": b"[" * MANY,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_body_that_is_too_much_costs_little_memory(bomb: bytes) -> None:
    """Four bytes a letter at most, once; a megabyte would do for all else."""
    assert len(bomb) <= MAX_BODY
    tracemalloc.start()
    try:
        assert refused(bomb)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_of_a_name_that_is_far_too_long_no_more_is_kept_than_shows_it() -> None:
    body = b'{"users": ["ann@contoso.com", "' + "\N{GRINNING FACE}".encode() + b"a" * MANY + b'"]}'
    tracemalloc.start()
    try:
        assert parse(body, SETTINGS, NOW).users == ("ann@contoso.com", "\N{GRINNING FACE}" + "a" * 400)
        # Beside four bytes a letter, the body is there as JSON for the fingerprint.
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("half", [r"\ud83d", r"\uDE00", r"x\ud83dx"])
def test_half_of_a_character_is_named(half: str) -> None:
    with pytest.raises(BadRequest, match=r"\\u[dD]\w{3}, half of a character"):
        parse(f'{{"users": ["{half}"]}}'.encode(), SETTINGS, NOW)
