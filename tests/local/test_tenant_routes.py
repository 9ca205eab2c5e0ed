"""How requests reach the simulated tenant: paths, options, batches, what comes with each answer."""

import gzip
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import pytest

from local.tenant import Call, Tenant, answer, create_user, serve
from tests.local.graph import BASE, ask, error

Batch = dict[str, object]


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant(users=300, seed=4)


@pytest.mark.parametrize(
    "target",
    [
        "/v1.0/Users?$Select=ID&$TOP=2",
        "/V1.0/USERS?$select=Id&$top=2",
        "/v1.0/users?$top=2&$select=id&$ORDERBY=DisplayName",
    ],
)
def test_paths_options_and_properties_are_taken_in_any_case(tenant: Tenant, target: str) -> None:
    status, page = ask(tenant, target)
    assert status == 200
    assert [list(user) for user in page["value"]] == [["id"]] * 2
    assert ask(tenant, page["@odata.nextLink"].removeprefix(BASE))[0] == 200


def test_an_option_may_be_given_once(tenant: Tenant) -> None:
    assert error(ask(tenant, "/v1.0/users?$top=2&$Top=3")) == (400, "BadRequest")


def test_a_key_may_stand_in_parentheses_and_must_when_it_begins_with_a_dollar() -> None:
    tenant = Tenant(users=3)
    for upn in ("$abc@contoso.com", "o'brien@contoso.com"):
        made = create_user(tenant, {"userPrincipalName": upn})
        keyed = quote("('" + upn.replace("'", "''") + "')")
        assert ask(tenant, f"/v1.0/users{keyed}?$select=id")[1]["id"] == made["id"]
        assert ask(tenant, f"/v1.0/users{keyed}/authentication/methods")[0] == 200
    assert ask(tenant, "/v1.0/users/$abc@contoso.com")[0] == 400
    assert ask(tenant, "/v1.0/users/o'brien@contoso.com")[0] == 200
    create_user(tenant, {"userPrincipalName": "'t.hart@contoso.com"})
    assert ask(tenant, "/v1.0/users/'t.hart@contoso.com")[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "users", "GET"),
        ("DELETE", "users/x", "GET"),
        ("GET", "$batch", "POST"),
        ("POST", "organization", "GET"),
    ],
)
def test_another_method_is_405_and_says_which_is_allowed(tenant: Tenant, method: str, path: str, allow: str) -> None:
    found = answer(tenant, Call(method, f"/v1.0/{path}", {"authorization": "Bearer t"}, b"{}"))
    assert (found.status, found.headers["Allow"]) == (405, allow)


def test_every_answer_carries_the_ids_of_its_request(tenant: Tenant) -> None:
    for target in ("/v1.0/users?$top=1", "/v1.0/users?$top=0", "/v1.0/nonsense", "/v1.0/users/$count"):
        headers = {"authorization": "Bearer t", "client-request-id": "mine"}
        found = answer(tenant, Call("GET", target, headers))
        assert found.headers["client-request-id"] == "mine"
        assert answer(tenant, Call("GET", target, {})).headers["client-request-id"]


def test_the_organization_is_named(tenant: Tenant) -> None:
    _, found = ask(tenant, "/v1.0/organization?$select=id,displayName,verifiedDomains")
    [one] = found["value"]
    assert list(one) == ["id", "displayName", "verifiedDomains"]
    assert one["verifiedDomains"][0]["isDefault"] is True


def test_metadata_comes_as_asked(tenant: Tenant) -> None:
    target = "/v1.0/users?$top=2&$select=id&$expand=manager($select=id)"
    none = ask(tenant, target, {"accept": "application/json;odata.metadata=none"})[1]
    full = ask(tenant, target, {"accept": "application/json;odata.metadata=full"})[1]
    assert set(none) == {"@odata.nextLink", "value"}, "a client can't go on without the link"
    assert "@odata" not in json.dumps(none["value"])
    assert all(user["@odata.type"] == "#microsoft.graph.user" and "@odata.id" in user for user in full["value"])


def test_a_page_has_as_many_users_as_is_preferred(tenant: Tenant) -> None:
    prefer = {"prefer": "odata.maxpagesize=7, include-unknown-enum-members"}
    assert len(ask(tenant, "/v1.0/users", prefer)[1]["value"]) == 7
    assert len(ask(tenant, "/v1.0/users?$top=5", prefer)[1]["value"]) == 5
    assert len(ask(tenant, "/v1.0/users", {"prefer": "odata.maxpagesize=0"})[1]["value"]) == 100
    assert len(ask(tenant, "/v1.0/users/delta", prefer)[1]["value"]) == 7


def batch(tenant: Tenant, *requests: Batch) -> tuple[int, dict[str, int]]:
    status, body = ask(tenant, "/v1.0/$batch", body={"requests": list(requests)})
    return status, {each["id"]: each["status"] for each in body.get("responses", [])}


def item(number: str, url: str, *others: str) -> Batch:
    return {"id": number, "method": "GET", "url": url, **({"dependsOn": list(others)} if others else {})}


def test_a_request_that_depends_on_a_failed_one_is_not_sent(tenant: Tenant) -> None:
    good, bad = "/users?$top=1", "/users/nobody@contoso.com"
    requests = [item("c", good, "b"), item("b", bad, "a"), item("a", good), item("d", good, "a"), item("e", good, "c")]
    assert batch(tenant, *requests) == (200, {"a": 200, "b": 404, "c": 424, "d": 200, "e": 424})


@pytest.mark.parametrize(
    "requests",
    [
        [{"id": "1", "url": "/users"}],
        [{"id": "1", "method": "GET"}],
        [{"id": "1", "method": "LOOK", "url": "/users"}],
        [item("1", "/users", "2")],
        [item("1", "/users", "1")],
        [item("1", "/users", "2"), item("2", "/users", "1")],
    ],
)
def test_a_batch_with_an_item_that_makes_no_sense_is_refused(tenant: Tenant, requests: list[Batch]) -> None:
    assert batch(tenant, *requests) == (400, {})


def test_get_by_ids_gives_only_what_types_names(tenant: Tenant) -> None:
    one = tenant.all_users()[1]["id"]
    for types, number in ((["user"], 1), (["user", "group"], 1), (["group"], 0), ([], 1), (None, 1)):
        body = {"ids": [one]} | ({} if types is None else {"types": types})
        assert len(ask(tenant, "/v1.0/directoryObjects/getByIds", body=body)[1]["value"]) == number
    assert ask(tenant, "/v1.0/directoryObjects/getByIds", body={"ids": [one], "types": "user"})[0] == 400


@pytest.fixture
async def url(tenant: Tenant) -> AsyncIterator[str]:
    async with serve(tenant) as url:
        yield url


async def test_answers_are_compressed_when_asked(url: str) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        headers = {"Authorization": "Bearer t"}
        async with http.get(f"{url}/v1.0/users?$top=100", headers=headers | {"Accept-Encoding": "gzip"}) as packed:
            assert packed.headers["Content-Encoding"] == "gzip"
            found = json.loads(gzip.decompress(await packed.read()))
        async with http.get(f"{url}/v1.0/users?$top=100", headers=headers | {"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert (await plain.json())["value"] == found["value"]
