"""Injected faults do what they say, over a real socket; the routes beside Graph's tell the truth."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from local.tenant import Tenant, serve
from local.tenant.metadata import PROPERTIES


@pytest.fixture
def tenant() -> Tenant:
    return Tenant(users=50, seed=2)


@pytest.fixture
async def graph(tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer one"}
    async with serve(tenant) as url, httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        yield client


async def page(graph: httpx.AsyncClient, link: str = "/v1.0/users?$top=20&$select=id,displayName") -> dict[str, Any]:
    found = await graph.get(link)
    assert found.status_code == 200, found.text
    return dict(found.json())


async def test_a_throttle_tells_how_long_to_wait_only_when_told_to(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("throttle", retry_after=7)
    tenant.faults.add("throttle", nth=2)
    first, second, third = [await graph.get("/v1.0/users") for _ in range(3)]
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert (second.status_code, second.headers.get("Retry-After")) == (429, None)
    assert third.status_code == 200


@pytest.mark.parametrize("status", [500, 502, 503, 504, 410])
async def test_a_status_comes_with_an_error_body(tenant: Tenant, graph: httpx.AsyncClient, status: int) -> None:
    tenant.faults.add("status", status=status)
    found = await graph.get("/v1.0/users")
    assert found.status_code == status
    assert found.json()["error"]["innerError"]["request-id"] == found.headers["request-id"]


async def test_a_reset_cuts_the_connection(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("reset")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await graph.get("/v1.0/users")
    assert (await graph.get("/v1.0/users")).status_code == 200


async def test_a_hang_gives_no_answer(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("hang")
    with pytest.raises(httpx.ReadTimeout):
        await graph.get("/v1.0/users", timeout=httpx.Timeout(60, read=0.05))


async def test_a_truncated_body_is_not_json(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("truncate")
    found = await graph.get("/v1.0/users")
    assert found.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        found.json()


async def test_a_revoked_token_stays_refused_and_a_new_one_goes_on(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("unauthorized", nth=2)
    codes = [(await graph.get("/v1.0/users")).status_code for _ in range(3)]
    renewed = await graph.get("/v1.0/users", headers={"Authorization": "Bearer two"})
    assert [*codes, renewed.status_code] == [200, 401, 401, 200]


@pytest.mark.parametrize(
    "code", ["Directory_ExpiredPageToken", "DirectoryPageTokenNotFoundException", "Request_BadRequest"]
)
async def test_a_page_token_dies_with_each_of_the_three_errors(
    tenant: Tenant, graph: httpx.AsyncClient, code: str
) -> None:
    tenant.faults.add("expired_token", code=code)
    first = await page(graph)
    second = await graph.get(first["@odata.nextLink"])
    assert (second.status_code, second.json()["error"]["code"]) == (400, code)


async def test_a_repeated_link_leads_to_the_page_it_is_on(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("repeat_link", page=2)
    link = (await page(graph))["@odata.nextLink"]
    assert (await page(graph, link))["@odata.nextLink"] == link


async def test_a_foreign_link_leads_to_another_host(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("foreign_link")
    assert (await page(graph))["@odata.nextLink"].startswith("https://graph.evil.example/v1.0/users?")


async def test_an_empty_page_loses_nobody(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("empty_page", page=2)
    sizes, found = [], await page(graph)
    sizes.append(len(found["value"]))
    while "@odata.nextLink" in found:
        found = await page(graph, found["@odata.nextLink"])
        sizes.append(len(found["value"]))
    assert sizes == [20, 0, 20, 10]


async def test_a_duplicate_is_a_user_of_the_page_before(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("duplicate_user", page=2)
    first = await page(graph)
    second = await page(graph, first["@odata.nextLink"])
    assert second["value"][0] == first["value"][-1]


async def test_an_ignored_filter_gives_everyone_on_all_pages(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("ignore_filter")
    found = await page(graph, "/v1.0/users?$top=30&$filter=userType eq 'Guest'")
    rest = await page(graph, found["@odata.nextLink"])
    assert len(found["value"]) + len(rest["value"]) == 50


async def test_a_lagging_count_is_off_by_its_share(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("count_lag", share=-0.1, times=2)
    eventual = {"ConsistencyLevel": "eventual"}
    assert (await graph.get("/v1.0/users/$count", headers=eventual)).text == "45"
    assert (await graph.get("/v1.0/users?$count=true", headers=eventual)).json()["@odata.count"] == 45


async def test_a_wrong_type_is_in_the_first_user(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("wrong_type", property="displayName", value=12)
    assert (await page(graph))["value"][0]["displayName"] == 12


async def test_an_answer_can_have_any_status_body_and_retry_after(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("status", status=403, body="<html>Gateway</html>", retry_after="0,120")
    tenant.faults.add("status", nth=2, status=200, body={"error": "busy"})
    gateway, busy = [await graph.get("/v1.0/users") for _ in range(2)]
    assert (gateway.status_code, gateway.text, gateway.headers["Retry-After"]) == (403, "<html>Gateway</html>", "0,120")
    assert (busy.status_code, busy.json()) == (200, {"error": "busy"})


async def test_an_html_page_within_a_batch_is_base64(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("status", match="/users/", status=502, body="<html>Gateway</html>")
    requests = [{"id": "a", "method": "GET", "url": "/users/x"}]
    [found] = (await graph.post("/v1.0/$batch", json={"requests": requests})).json()["responses"]
    assert (found["status"], base64.b64decode(found["body"])) == (502, b"<html>Gateway</html>")


async def test_odd_values_are_in_the_first_users_of_a_page_and_in_one_user(
    tenant: Tenant, graph: httpx.AsyncClient
) -> None:
    tenant.faults.add("odd_value", property="displayName", value="Ann \ud83d", users=2, times=2)
    names = [user["displayName"] for user in (await page(graph))["value"]]
    assert [at for at, name in enumerate(names) if name == "Ann \ud83d"] == [0, 1]
    one = await graph.get(f"/v1.0/users/{tenant.all_users()[0]['id']}")
    assert b'"Ann \\ud83d"' in one.content


async def test_a_late_error_comes_after_some_users_and_without_a_link(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("late_error")
    found = await page(graph)
    assert (len(found["value"]), found["error"]["code"]) == (10, "InternalServerError")
    assert "@odata.nextLink" not in found


@pytest.mark.parametrize(("users", "sizes"), [(0, [20, 20, 0, 0]), (5, [20, 20, 5, 5]), (-1, [20, 20, 10, 10])])
async def test_endless_pages_go_on_after_the_last_one(
    tenant: Tenant, graph: httpx.AsyncClient, users: int, sizes: list[int]
) -> None:
    tenant.faults.add("endless", users=users, rate=1.0)
    link, links, found = "/v1.0/users?$top=20&$select=id,displayName", [], []
    for _ in range(4):
        body = await page(graph, link)
        found.append(len(body["value"]))
        link = body["@odata.nextLink"]
        links.append(link)
    assert found == sizes
    assert len(set(links)) == 4


async def test_a_delta_query_can_be_endless_too(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("endless", match="delta", rate=1.0)
    found = await page(graph, "/v1.0/users/delta?$deltatoken=latest")
    assert "@odata.deltaLink" not in found
    assert len((await page(graph, found["@odata.nextLink"]))["value"]) == 3


@pytest.mark.parametrize("gzip", [False, True])
async def test_a_huge_body_has_its_size(tenant: Tenant, graph: httpx.AsyncClient, gzip: bool) -> None:
    tenant.faults.add("huge", size=3_000_000, gzip=gzip)
    found = await graph.get("/v1.0/users")
    assert found.json() == {"value": []}
    assert len(found.content) == 3_000_000 + len(b'{"value":[]}')
    assert (found.num_bytes_downloaded < 10_000) == gzip


async def test_a_rate_is_seeded_and_goes_on(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("status", rate=0.3, match="$top=1")
    codes = [(await graph.get("/v1.0/users?$top=1")).status_code for _ in range(60)]
    assert 8 < codes.count(503) < 30
    assert (await graph.get("/v1.0/users?$top=2")).status_code == 200


async def test_a_request_within_a_batch_has_its_own_fault(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    tenant.faults.add("throttle", match="/authentication/", retry_after=3)
    one = tenant.all_users()[0]["id"]
    requests = [{"id": n, "method": "GET", "url": f"/users/{one}/authentication/methods"} for n in "ab"]
    found = (await graph.post("/v1.0/$batch", json={"requests": requests})).json()["responses"]
    by_id = {each["id"]: each for each in found}
    assert (by_id["a"]["status"], by_id["a"]["headers"]["Retry-After"]) == (429, "3")
    assert by_id["b"]["status"] == 200


async def test_faults_are_put_and_taken_over_http(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    added = await graph.post("/_tenant/faults", json=[{"kind": "status", "status": 502, "times": 9}])
    assert (added.status_code, (await graph.get("/v1.0/users")).status_code) == (200, 502)
    await graph.delete("/_tenant/faults")
    assert (await graph.get("/v1.0/users")).status_code == 200
    assert (await graph.get("/_tenant/stats")).json()["faults"] == {"status": 1}
    for bad in ([{"kind": "nonsense"}], [{"kind": "reset", "colour": 1}]):
        assert (await graph.post("/_tenant/faults", json=bad)).status_code == 400


async def test_the_truth_needs_no_token_and_follows_changes(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    gone = tenant.all_users()[0]
    orders = [
        {"action": "delete", "user": gone["id"]},
        {"action": "create", "userPrincipalName": "new@contoso.com"},
        {"action": "rename", "user": "new@contoso.com", "userPrincipalName": "newer@contoso.com"},
    ]
    assert (await graph.post("/_tenant/change", json=orders)).status_code == 200
    assert (await graph.post("/_tenant/change", json=orders[0])).status_code == 400
    del graph.headers["Authorization"]
    ids = (await graph.get("/_tenant/ids")).text.split()
    people = [json.loads(line) for line in (await graph.get("/_tenant/users")).text.split("\n")[:-1]]
    assert [dict.fromkeys(PROPERTIES) | user for user in people] == tenant.all_users()  # no empty extensions
    assert ids == [user["id"] for user in people]
    assert gone["id"] not in ids
    assert people[-1]["userPrincipalName"] == "newer@contoso.com"


async def test_stats_tell_what_was_asked(tenant: Tenant, graph: httpx.AsyncClient) -> None:
    await asyncio.gather(page(graph), page(graph))
    stats = (await graph.get("/_tenant/stats")).json()
    assert (stats["requests"], stats["users"], stats["tokens"]) == ({"users": 2}, 40, ["one"])
    assert stats["hosts"] == [graph.base_url.netloc.decode()]


def test_the_command_says_where_it_is_and_ends_with_its_parent() -> None:
    command = "[sys.executable, '-m', 'local.tenant', '--users', '3', '--parent-pid', str(os.getpid())]"
    starts = f"import os, subprocess, sys; subprocess.Popen({command}); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", starts], stdin=pipe, stdout=pipe, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().removeprefix("tenant ready on ").strip()
        assert len(httpx.get(f"{url}/_tenant/ids").text.split()) == 3
        # Both have the pipe: it is at its end when both have ended.
        parent.communicate("\n", timeout=30)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
