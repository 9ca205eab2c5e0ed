"""The host's HTTP side, its timers, and its managed identity."""

import base64
import gzip
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.durable_functions as df
import pytest
from aiohttp import web
from azure.identity.aio import DefaultAzureCredential

from local import easy_auth, host_functions, identity, serve
from local.host import route_pattern
from local.host_timers import next_time
from local.tenant.permissions import carried
from shared.api.access import caller_of
from shared.settings import AZURE, USER_ADMINISTRATOR, Settings
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


def test_a_function_that_would_hold_up_the_others_is_refused() -> None:
    def waits(value: int) -> int:
        return value

    blocking = df.DFApp()
    blocking.activity_trigger(input_name="value")(waits)
    with pytest.raises(TypeError, match="The function waits must be async"):
        host_functions.index(blocking, Path())


def test_a_caller_without_a_principal_is_the_local_administrator(host: Host) -> None:
    header = host.http.post("/api/echo/x").text.split()[-1]
    principal = json.loads(base64.b64decode(header))

    assert principal["auth_typ"] == "aad"
    assert {"typ": "oid", "val": "local"} in principal["claims"]
    assert {"typ": "wids", "val": USER_ADMINISTRATOR} in principal["claims"]


def test_the_local_administrator_has_the_roles_and_the_tenant_of_the_settings() -> None:
    tenant = "8d0e31c4-7a0b-4f7e-9a55-2f3c1f7d3c11"
    role = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
    env = {"EXPORT_ALLOWED_ROLES": role, "EXPORT_TENANT_ID": tenant}
    settings = Settings.from_env(env | easy_auth.ON | {"EXPORT_STORAGE": "UseDevelopmentStorage=true"})
    headers = {easy_auth.HEADER.lower(): easy_auth.local_administrator(env)}

    assert caller_of(headers, settings).administrator


@pytest.mark.parametrize("name", ["evil.example", "evil.example:7071", "127.0.0.1.evil.example", "localhost.", "[", ""])
@pytest.mark.parametrize("path", ["/api/echo/x", "/admin/functions/nightly", "/runtime/webhooks/durabletask/instances"])
def test_another_name_than_this_machines_is_refused(host: Host, name: str, path: str) -> None:
    assert host.http.post(path, headers={"Host": name}).status_code in {400, 403}


@pytest.mark.parametrize("mark", ["", "Accept-Language", "Origin", "Referer", "Sec-Fetch-Site"])
def test_a_browser_with_another_name_is_refused_also_with_a_principal(host: Host, mark: str) -> None:
    """A program that names its caller may use the name of a gateway."""
    headers = {"Host": "exports.contoso.com", easy_auth.HEADER: "eyJ9"} | ({mark: "en"} if mark else {})
    assert host.http.post("/api/echo/x", headers=headers).status_code == (403 if mark else 201)
    assert host.http.post("/admin/functions/nightly", headers=headers).status_code == 403


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1:80", "[::1]:7071", "LOCALHOST:7071"])
def test_the_names_of_this_machine_are_taken(host: Host, name: str) -> None:
    assert host.http.post("/api/echo/x", headers={"Host": name}).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "path", ["/admin/functions/nightly", "/runtime/webhooks/durabletask/orchestrators/chain", "/msi/token"]
)
def test_another_sites_page_does_not_reach_the_admin_paths(host: Host, headers: dict[str, str], path: str) -> None:
    assert host.http.post(path, json={}, headers=headers).status_code == 403


@pytest.mark.parametrize("variable", AZURE)
def test_it_does_not_start_where_a_variable_says_that_this_is_azure(tmp_path: Path, variable: str) -> None:
    refused = "this is Azure"
    with (
        pytest.raises(serve.ServeError, match=f"{variable} says that {refused}"),
        serve.launch(tmp_path, "--graph", "https://graph.microsoft.com", environment={variable: "1"}),
    ):
        pass


def test_the_container_name_of_another_platform_is_not_azures_with_the_simulated_tenant() -> None:
    for variable in AZURE:
        expected = "" if variable == "CONTAINER_NAME" else variable
        assert easy_auth.says_azure({variable: "1"}, None) == expected
        assert easy_auth.says_azure({variable: "1"}, "http://127.0.0.1:8000") == expected
        assert easy_auth.says_azure({variable: "1"}, "https://graph.microsoft.us") == variable
        assert easy_auth.says_azure({variable: "1"}, "") == variable


def test_a_timer_function_can_be_fired_by_hand(host: Host, environment: dict[str, str]) -> None:
    assert host.http.post("/admin/functions/nightly", json={}).status_code == 202
    assert Path(environment["TOY_FILE"]).read_text() == "past due: False"


def test_a_timer_has_a_next_time_and_fires_on_full_minutes_only() -> None:
    after = datetime(2026, 2, 28, 12, 30, tzinfo=UTC)
    assert next_time("0 0 3 * * *", after).isoformat() == "2026-03-01T03:00:00+00:00"
    with pytest.raises(ValueError, match="does not begin with second 0"):
        next_time("*/15 * * * * *", after)


def test_a_route_takes_letters_in_any_case_and_a_value_for_each_name() -> None:
    matched = route_pattern("api/exports/{id}/cancel").fullmatch("/API/exports/7/Cancel")
    assert matched is not None
    assert matched["id"] == "7"
    assert not route_pattern("api/exports/{id}").fullmatch("/api/exports")
    assert not route_pattern("api/openapi.json").fullmatch("/api/openapi-json")


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
    assert time.monotonic() - begin < 10


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
