"""The host's HTTP side, its timers, and its managed identity."""

import gzip
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from azure.identity.aio import DefaultAzureCredential

from local import identity
from local.host import route_pattern
from local.host_timers import next_time
from local.tenant.permissions import carried
from tests.local.toy_host import Host


def test_a_function_sees_the_request_as_the_caller_made_it(host: Host) -> None:
    headers = {"X-MS-CLIENT-PRINCIPAL": "eyJ9", "X-Seen": "no"}
    answer = host.http.post("/api/echo/hello%20you?q=a&q=b", content="body", headers=headers)

    assert answer.status_code == 201
    assert answer.headers["X-Seen"] == "yes"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    url = f"{host.serving.url}/api/echo/hello%20you?q=a&q=b"
    assert answer.text == f"POST {url} hello you a,b eyJ9 body"


def seen(host: Host, path: str = "a", **sent: Any) -> Any:
    return host.http.post(f"/api/seen/{path}", **sent).json()


def test_a_body_is_passed_on_only_with_a_length_above_0(host: Host) -> None:
    assert seen(host, content=b"{}")["body"] == b"{}".hex()
    assert seen(host)["body"] == ""
    lost = seen(host, content=iter([b'{"filter":', b'"a"}']))
    assert lost["body"] == ""
    assert {name.lower(): value for name, value in lost["headers"].items()}["transfer-encoding"] == "chunked"


def test_a_compressed_body_comes_as_it_was_sent(host: Host) -> None:
    packed = gzip.compress(b"{}")
    assert seen(host, content=packed, headers={"Content-Encoding": "gzip"})["body"] == packed.hex()


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("top=", {}),
        ("top", {}),
        ("top=1&Top=2", {"top": "1,2"}),
        ("Top=2&top=1&TOP=", {"Top": "2,1"}),
        ("a=&b=%20", {"b": " "}),
        ("a=1%2C2&a=3", {"a": "1,2,3"}),
    ],
)
def test_query_values_are_one_whatever_the_case_of_their_names_and_empty_ones_are_none(
    host: Host, query: str, given: dict[str, str]
) -> None:
    assert seen(host, f"a?{query}")["params"] == given


@pytest.mark.parametrize(
    ("path", "word"), [("a%2Fb", "a%2Fb"), ("a%2fb", "a%2fb"), ("a%20b%C3%BC", "a bü"), ("a%252Fb", "a%2Fb")]
)
def test_an_encoded_slash_stays_in_a_route_value(host: Host, path: str, word: str) -> None:
    assert seen(host, path)["route"] == {"word": word}


def test_a_header_that_is_sent_twice_is_joined_with_a_comma(host: Host) -> None:
    headers = [("X-Two", "a"), ("x-two", "b"), ("X-Empty", "")]
    found = {name.lower(): value for name, value in seen(host, headers=headers)["headers"].items()}
    assert found["x-two"] == "a,b"
    assert found["x-empty"] == ""


def test_routes_that_do_not_exist_and_methods_that_are_not_allowed_are_not_found(host: Host) -> None:
    assert host.http.get("/api/nothing").status_code == 404
    assert host.http.delete("/api/echo/x").status_code == 404


def test_an_exception_becomes_a_500_that_says_nothing(host: Host) -> None:
    answer = host.http.get("/api/fails")

    assert (answer.status_code, answer.content) == (500, b"")


def test_a_function_that_blocks_does_not_hold_up_the_others(host: Host) -> None:
    blocked = threading.Thread(target=host.http.get, args=("/api/blocks",))
    blocked.start()
    begin = time.monotonic()
    assert host.http.get("/api/echo/x").status_code == 201
    assert time.monotonic() - begin < 0.4
    blocked.join()


def test_a_timer_function_can_be_fired_by_hand(host: Host, environment: dict[str, str]) -> None:
    assert host.http.post("/admin/functions/nightly", json={}).status_code == 202
    assert Path(environment["TOY_FILE"]).read_text() == "past due: False"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 0 3 * * *", "2026-03-01T03:00:00+00:00"),
        ("*/15 * * * * *", "2026-02-28T12:30:15+00:00"),
        ("0 30 9-17 * * mon-fri", "2026-03-02T09:30:00+00:00"),
        ("0 0 0 1 1 *", "2027-01-01T00:00:00+00:00"),
        ("0 5 * * *", "2026-03-01T05:00:00+00:00"),
    ],
)
def test_a_schedule_names_its_next_time(schedule: str, expected: str) -> None:
    assert next_time(schedule, datetime(2026, 2, 28, 12, 30, tzinfo=UTC)).isoformat() == expected


def test_routes_take_optional_and_catch_all_parameters() -> None:
    assert route_pattern("api/exports/{id}").fullmatch("/API/exports/7")
    assert not route_pattern("api/exports/{id}").fullmatch("/api/exports")
    assert route_pattern("api/exports/{id?}").fullmatch("/api/exports")
    matched = route_pattern("api/files/{*rest}").fullmatch("/api/files/a/b.js")
    assert matched is not None
    assert matched["rest"] == "a/b.js"


async def test_the_default_credential_takes_its_token_here(monkeypatch: pytest.MonkeyPatch) -> None:
    server = web.Application()
    server.add_routes([identity.route("secret", ["User.Read.All"])])
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    for name, value in identity.environment(f"http://127.0.0.1:{port}", "secret").items():
        monkeypatch.setenv(name, value)
    begin = time.monotonic()
    try:
        tokens = []
        for _ in range(2):
            async with DefaultAzureCredential() as credential:
                token = await credential.get_token("https://graph.microsoft.com/.default")
                tokens.append(token.token)
                assert token.expires_on > time.time() + 3000
    finally:
        await runner.cleanup()

    assert len(set(tokens)) == 2
    assert {carried(token, ()) for token in tokens} == {frozenset(["User.Read.All"])}
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("https://127.0.0.1", False),
        ("https://graph.microsoft.com", False),
        ("http://localhost.example.com", False),
    ],
)
def test_only_plain_http_on_loopback_gets_made_up_tokens(url: str, expected: bool) -> None:
    assert identity.is_loopback(url) is expected
