"""What Graph, or a gateway before it, has answered: good, an error that passes, or one that stays; in which words."""

import base64
import json
from typing import Any

import msgspec
import pytest

from shared.errors import GraphError, Transient
from shared.graph import answers
from shared.graph.client import Graph
from shared.graph.pages import check_link, page_of

HTML = b"<!DOCTYPE html><html><body>Gateway</body></html>"
USER = {"id": "1"}


def refusal(status: int, body: Any, **headers: str) -> GraphError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(GraphError) as refused:
        answers.read(status, headers, content, page_of)
    return refused.value


@pytest.mark.parametrize("status", [408, 409, 423, 429, 500, 502, 503, 504, 509, *range(520, 531)])
def test_a_status_that_passes_is_transient(status: int) -> None:
    assert isinstance(refusal(status, {}), Transient)


@pytest.mark.parametrize("status", [301, 400, 403, 404, 405, 410, 412, 501, 505])
def test_a_status_that_stays_is_not(status: int) -> None:
    assert not isinstance(refusal(status, {}), Transient)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 410, 500, 501])
@pytest.mark.parametrize("body", [HTML, b"\r\n " + HTML, b"\xef\xbb\xbf" + HTML])
def test_an_html_page_passes_whatever_its_status(status: int, body: bytes) -> None:
    found = refusal(status, body)
    assert isinstance(found, Transient)
    assert found.code == f"HTTP{status}"
    assert "HTML" in found.reason


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ({"error": {"code": "Denied", "message": "No."}}, "Denied", "No."),
        ({"error": {"code": None, "message": "No."}}, "HTTP403", "No."),
        ({"error": {"code": 17, "message": "No."}}, "17", "No."),
        ({"error": {"code": "", "message": "No."}}, "HTTP403", "No."),
        ({"error": {"message": "No."}}, "HTTP403", "No."),
        ({"error": {"code": "Denied", "message": None}}, "Denied", "Graph answered with status 403."),
        ({"error": {"code": "Denied", "message": 5}}, "Denied", "5"),
        ({"error": {"code": "Denied", "message": {"lang": "en", "value": "No."}}}, "Denied", "No."),
        ({"error": {"code": "Denied", "message": "No \ud83d"}}, "Denied", "No \ufffd"),
        ({"odata.error": {"code": "Denied", "message": {"lang": "en", "value": "No."}}}, "Denied", "No."),
        ({"error": "No."}, "HTTP403", "No."),
        ({"error": "invalid_client", "error_description": "No."}, "invalid_client", "No."),
        ({"error": "Forbidden", "message": "No."}, "Forbidden", "No."),
        ({"code": "Denied", "message": "No."}, "Denied", "No."),
        ("No.", "HTTP403", "No."),
        (b"upstream connect error", "HTTP403", "upstream connect error"),
        (b'{"error": {"code": "Den', "HTTP403", '{"error": {"code": "Den'),
        (b"\xef\xbb\xbf" + b'{"error": {"code": "Denied", "message": "No."}}', "Denied", "No."),
        (b"", "HTTP403", "Graph answered with status 403."),
        ({"error": None}, "HTTP403", "Graph answered with status 403."),
        ({"error": []}, "HTTP403", "[]"),
        ({"error": {"code": ["a"], "message": True}}, '["a"]', "true"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_words_of_an_error_are_kept_whatever_its_form(body: Any, code: str, reason: str) -> None:
    found = refusal(403, body)
    assert (found.code, found.reason) == (code, reason)


@pytest.mark.parametrize("error", [{"code": "busy", "message": "Later."}, "busy", {}, [], 5])
@pytest.mark.parametrize("more", [{}, {"value": [USER]}, {"value": None}, {"value": "x"}])
def test_an_error_with_a_good_status_passes_also_beside_users(error: Any, more: dict[str, Any]) -> None:
    found = refusal(200, {**more, "error": error})
    assert isinstance(found, Transient)
    assert found.code != "UnreadableAnswer"


def test_a_good_answer_has_no_error() -> None:
    page = answers.read(200, {}, b'{"value": [{"id": "1"}], "error": null}', page_of)
    assert [user.id for user in page.value] == ["1"]


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        ("5", 5),
        ("0.249", 0.249),
        ("0,120", 120),
        ("120, 0", 120),
        (" 7 ", 7),
        ("0", 0),
        ("Sat, 28 Nov 2026 12:00:30 GMT", 30),
        ("Saturday, 28-Nov-26 12:00:30 GMT", 30),
        ("Sat Nov 28 12:00:30 2026", 30),
        ("Sat, 28 Nov 2026 11:00:00 GMT", 0),
        ("5, Sat, 28 Nov 2026 12:00:30 GMT", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("1e999", None),
    ],
)
def test_retry_after_is_read_in_each_form(sent: str, seconds: float | None) -> None:
    assert answers.retry_after({"Retry-After": sent, "Date": "Sat, 28 Nov 2026 12:00:00 GMT"}) == seconds


def test_retry_after_in_a_batch_can_be_a_number_or_a_list() -> None:
    assert answers.retry_after({"retry-after": 5}) == 5
    assert answers.retry_after({"Retry-After": ["0", "120"]}) == 120


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (b'{"error": 1}', b'{"error": 1}'),
        (b'"<html>"', b"<html>"),
        (json.dumps(base64.b64encode(HTML).decode()).encode(), HTML),
        (b'"Nope"', b"Nope"),
        (b"17", b"17"),
    ],
)
def test_a_body_that_is_not_json_is_a_text_in_a_batch(body: bytes, plain: bytes) -> None:
    assert answers.plain_body(body) == plain


def test_more_values_than_any_page_has_are_not_decoded() -> None:
    for each in (b'{"id":"1"},', b'"a",'):
        found = refusal(200, b'{"value": [' + each * 2_100_000 + b"{}]}")
        assert found.code == "AnswerTooLarge"
        assert not isinstance(found, Transient)


def test_a_page_has_its_odd_users_and_the_others() -> None:
    page = page_of(b'{"@odata.nextLink": "x", "value": [{"id": "1", "city": 5}, {"id": "2", "city": "Bonn"}]}')
    assert [(user.id, user.city, user.odd) for user in page.value] == [("1", "5", ("city",)), ("2", "Bonn", ())]
    assert page.next_link == "x"


@pytest.mark.parametrize("body", [b'{"value": [null]}', b'{"value": [{"id": 1}]}', b'{"value": {}}', b"[]"])
def test_a_page_whose_users_are_unknown_is_refused(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        page_of(body)


def checked(link: str, root: str) -> None:
    check_link(Graph(f"{root}/v1.0", None, None, None, None), link)  # type: ignore[arg-type]  # Only the root counts.


@pytest.mark.parametrize(
    ("link", "root"),
    [
        ("https://graph.microsoft.com:443/v1.0/users?a", "https://graph.microsoft.com"),
        ("https://graph.microsoft.com/v1.0/users?a", "https://graph.microsoft.com:443"),
        ("HTTPS://Graph.Microsoft.COM/v1.0/users?a", "https://graph.microsoft.com"),
        ("https://graph.microsoft.com/v1.0/users?a", "https://GRAPH.microsoft.com"),
        ("http://127.0.0.1:80/v1.0/users", "http://127.0.0.1"),
    ],
)
def test_a_default_port_and_the_case_of_a_host_make_no_other_host(link: str, root: str) -> None:
    checked(link, root)


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.microsoft.com:444/v1.0/users",
        "http://graph.microsoft.com:443/v1.0/users",
        "http://graph.microsoft.com/v1.0/users",
        "https://graph.microsoft.com.evil.example/v1.0/users",
        "https://graph.microsoft.com./v1.0/users",
        "https://graph.microsoft.com@evil.example/v1.0/users",
        "https://ann@graph.microsoft.com/v1.0/users",
        "https://evil.example\\@graph.microsoft.com/v1.0/users",
        "https://graph.micro\tsoft.com/v1.0/users",
        "https://graph.microsoft.com\r\n.evil.example/",
        "https://graph.micro\u017foft.com/v1.0/users",
        "https://graph.microsoft.com:x/v1.0/users",
        "https://graph.microsoft.com:99999/v1.0/users",
        "//graph.microsoft.com/v1.0/users",
        "/v1.0/users",
        "https:///v1.0/users",
        "http://[::1",
        "javascript:alert(1)",
        "https://graph.microsoft.com/v1.0/users?$skiptoken=" + "A" * 70_000,
    ],
    ids=lambda link: link[:60],
)
def test_any_other_host_and_any_invalid_url_is_foreign(link: str) -> None:
    with pytest.raises(GraphError, match="ForeignLink"):
        checked(link, "https://graph.microsoft.com")
