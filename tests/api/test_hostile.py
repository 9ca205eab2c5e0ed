"""Whatever is sent, no route answers 500 or starts anything, and a text never becomes more than a text."""

import csv
import io
import json
import socket
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.serve import Serving, look
from local.tenant import Tenant, create_user
from shared.api.access import HEADER
from shared.api.body import MAX_BODY
from shared.settings import APP_ROLE
from tests.api.api_client import CONTRACT, Api, check, principal, program
from tests.cpu import cpu_seconds
from tests.edges import connected
from tests.integration.runner import run_export
from tests.integration.truth import rows_of

ROUTES = [(method, path) for path, item in CONTRACT["paths"].items() for method in item if method != "parameters"]
bounded = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
PIECES = st.sampled_from(
    ["..", "%2e%2e", "%2F", "/", "\\", "%00", "%0d%0a", "%3F", "%23", ";", "request.json", "A" * 3000]
)
IDS = st.one_of(
    TEXTS.map(lambda text: quote(text, safe="") or "%20"),
    st.lists(PIECES, min_size=1, max_size=4).map("".join),
    st.uuids().map(lambda found: str(found).upper()),
    st.uuids().map(lambda found: f"..%2f{found}"),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def app(api: Api) -> Api:
    """The API as a managed identity sees it that nobody else uses."""
    return api.as_caller(program(uuid4().hex))


def status_of(api: Api, method: str, path: str) -> int:
    """Sends the path as it stands: httpx would tidy it up."""
    connection = HTTPConnection(urlsplit(api.serving.url).netloc, timeout=60)
    with closing(connection):
        connection.request(method.upper(), path, headers=api.caller)
        return connection.getresponse().status


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if "{" in route[1]])
def test_a_strange_id_or_file_name_leads_nowhere(app: Api, method: str, path: str) -> None:
    @bounded
    @given(IDS)
    def check_it(given_id: str) -> None:
        filled = path.replace("{id}", given_id).replace("{file}", given_id)
        assert status_of(app, method, f"/api{filled}") in {400, 404}

    check_it()
    assert app.listed()["value"] == []


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route != ("post", "/exports")])
def test_a_strange_query_or_body_changes_nothing(app: Api, method: str, path: str) -> None:
    @bounded
    @given(st.dictionaries(TEXTS | st.sampled_from(["status", "top", "continuationToken", "id", "code"]), TEXTS), TEXTS)
    def check_it(query: dict[str, str], body: str) -> None:
        filled = path.replace("{id}", str(uuid4())).replace("{file}", "none.js")
        answer = app.http.request(method, f"/api{filled}", params=query, headers=app.caller, content=body.encode())
        check(answer)
        assert answer.status_code in {200, 400, 404}

    check_it()
    assert app.listed()["value"] == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_strange_caller_is_nobody(api: Api, method: str, path: str) -> None:
    filled = path.replace("{id}", str(uuid4())).replace("{file}", "none.js")
    guarded = CONTRACT["paths"][path][method]["responses"].keys() >= {"403"}

    @bounded
    @given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=200) | VALUES.map(_encoded))
    def check_it(header: str) -> None:
        answer = api.http.request(method, f"/api{filled}", headers={HEADER: header})
        check(answer)
        assert answer.status_code in ({401, 403} if guarded else {200, 404})

    check_it()


def _encoded(value: Any) -> str:
    from base64 import b64encode

    return b64encode(json.dumps(value).encode()).decode()[:6000]


def test_a_header_that_is_too_long_or_has_line_breaks_is_refused(api: Api) -> None:
    assert api.http.get("/api/exports", headers={HEADER: "A" * 100_000}).status_code in {400, 401, 431}
    parts = urlsplit(api.serving.url)
    with socket.create_connection((str(parts.hostname), parts.port), timeout=60) as connection:
        lines = (
            b"GET /api/exports HTTP/1.1\r\nHost: a\r\nIdempotency-Key: a\rX: b\r\n\0: c\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(lines)
        assert connection.recv(100).split()[1] == b"400"


def test_a_caller_with_an_endless_name_can_export_and_is_listed(api: Api) -> None:
    caller = api.as_caller(principal(uuid4().hex, APP_ROLE, name="\N{GRINNING FACE}" * 450))
    export_id = caller.start(fileName="\N{GRINNING FACE}" * 62)
    assert [each["id"] for each in caller.listed()["value"]] == [export_id]


@pytest.mark.parametrize("name", [*CONTRACT["components"]["schemas"]["ExportRequest"]["properties"], "more"])
def test_a_property_of_another_type_is_refused_with_its_pointer(app: Api, name: str) -> None:
    wrong = VALUES.filter(lambda value: not isinstance(value, (bool, str)) and value is not None)

    @bounded
    @given(wrong)
    def check_it(value: Any) -> None:
        answer = app.post({name: value})
        assert answer.status_code == 400
        assert all(each["pointer"].split("/")[1] == name for each in answer.json()["errors"])

    check_it()
    assert app.listed()["value"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b" " * (MAX_BODY + 1),
        b'{"users": [' + b'"a",' * 2_000_000 + b'"a"]}',
        b'{"columns": [' + b'"id",' * 1_600_000 + b'"id"]}',
        b'{"columns": [' + b'"nosuchcolumn",' * 500_000 + b'"id"]}',
        b"{" + b",".join(b'"n%d":1' % number for number in range(500_000)) + b"}",
        b'{"fileName": "' + b"a" * 8_000_000 + b'"}',
        b'{"filter": "' + b"(" * 1_400 + b'"}',
        b'{"filter": "' + b"a" * 8_000_000 + b'"}',
        b'{"fileName": "\\ud800"}',
        b"\xff\xfe{}",
        b"null",
        b"1e400",
    ],
    ids=lambda body: f"{body[:24]!r} {len(body)}",
)
def test_a_body_that_is_too_much_is_refused_soon(app: Api, body: bytes) -> None:
    host = [look(app.serving.data).pids["host"]]
    begin = cpu_seconds(host)
    answer = app.send("POST", "/api/exports", content=body)
    assert answer.status_code == 400
    assert cpu_seconds(host) - begin < 3
    assert len(answer.content) < 100_000
    assert app.listed()["value"] == []


@pytest.mark.parametrize(
    "name", ["a\r\nX-Evil: 1", "a\nb", "a\x00", "../a", "..\\a", 'a"; b="c', "a\u2028b", "\u202ecsv.exe"]
)
def test_a_file_name_is_never_a_header_or_a_path(app: Api, name: str) -> None:
    answer = app.post(fileName=name)
    assert answer.status_code == 400
    assert "x-evil" not in answer.headers
    assert app.listed()["value"] == []


@pytest.mark.parametrize("letter", ["a", "ü", "利", "😀"])
def test_the_longest_file_name_gives_files_that_can_be_saved(app: Api, letter: str) -> None:
    name = letter * (251 // len(letter.encode()))
    assert app.post(fileName=f"{name}{letter}").status_code == 400
    links = app.run(fileName=name)["download"]
    for kind, ending in (("csv", ".csv"), ("results", ".results.json")):
        answer = httpx.get(links[kind])
        assert answer.status_code == 200
        saved = unquote(answer.headers["Content-Disposition"].partition("filename*=UTF-8''")[2])
        assert saved.endswith(ending)
        assert set(saved.removesuffix(ending)) == {letter}
        assert len(saved.encode()) <= 255


def test_markup_in_a_request_stays_text(app: Api) -> None:
    answer = app.post({"<img src=x onerror=alert(1)>": 1, "filter": "<script>alert(1)</script>"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"}], ids=str
)
def test_another_sites_page_can_start_cancel_and_delete_nothing(app: Api, headers: dict[str, str]) -> None:
    export_id = app.run()["id"]
    for method, path in (("POST", ""), ("POST", f"/{export_id}/cancel"), ("DELETE", f"/{export_id}")):
        assert app.send(method, f"/api/exports{path}", headers=headers).status_code == 403
    assert [each["id"] for each in app.listed()["value"]] == [export_id]


def test_a_page_can_not_send_json_as_plain_text(app: Api) -> None:
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": app.serving.url}):
        sent = {**headers, "Content-Type": "text/plain"}
        assert app.send("POST", "/api/exports", content=b'{"columns": "profile"}', headers=sent).status_code == 415
    assert app.listed()["value"] == []


async def test_users_whose_names_are_formulas_or_markup_are_harmless_in_excel(serving: Serving) -> None:
    tenant = Tenant(users=0)
    names = [
        "=cmd|' /C calc'!A0",
        "+1+cmd|x",
        "@SUM(1)",
        "-2+3",
        "\t=1",
        "<img src=x onerror=alert(1)>",
        'a","=1',
        "a\r\n=1",
    ]
    for at, name in enumerate(names):
        create_user(tenant, {"userPrincipalName": f"u{at}@example.com", "displayName": name, "id": str(uuid4())})
    async with connected(serving.storage, tenant) as edges:
        guarded = await run_export(edges)
        plain = await run_export(edges, excel=False)
    assert guarded.csv is not None
    assert plain.csv is not None
    assert not any(row["displayName"].startswith(("=", "+", "-", "@", "\t")) for row in rows_of(guarded.csv))
    found = csv.DictReader(io.StringIO(plain.csv.decode(), newline=""))
    assert sorted(row["displayName"] for row in found) == sorted(names)
