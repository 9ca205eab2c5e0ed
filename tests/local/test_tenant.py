"""The simulated tenant keeps the rules of Microsoft Graph."""

import json
import re
from bisect import bisect_left
from typing import Any
from urllib.parse import quote

import pytest

from local.tenant import GROUPS, Call, Tenant, answer, create_user, delete_user, update_user
from tests.local.graph import BASE, EVENTUAL, ask, error, ids, pages, users

ADVANCED = {"$count": "true"}


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant(users=3000, seed=5)


def test_the_same_seed_makes_the_same_people_and_another_seed_others() -> None:
    assert Tenant(users=50, seed=3).all_users() == Tenant(users=50, seed=3).all_users()
    assert Tenant(users=50, seed=3).all_users() != Tenant(users=50, seed=4).all_users()


def test_paging_gives_every_user_exactly_once(tenant: Tenant) -> None:
    found = ids(tenant, "/v1.0/users?$select=id&$top=97")
    assert sorted(found) == sorted(user["id"] for user in tenant.all_users())
    assert len(set(found)) == 3000


@pytest.mark.parametrize("number", [0, 1, 2, 3, 99, 100, 101])
def test_tenants_of_any_size_are_paged_whole(number: int) -> None:
    assert len(set(ids(Tenant(users=number), "/v1.0/users"))) == number


def test_upns_are_unique_whatever_the_case_and_of_legal_letters() -> None:
    for shape in ("normal", "b2c"):
        upns = Tenant(users=20_000, shape=shape).directory.upns
        assert len({upn.lower() for upn in upns}) == 20_000
        assert all(re.fullmatch(r"[A-Za-z0-9'.\-_!#^~]+@[A-Za-z0-9.\-]+", upn) for upn in upns)


def test_people_have_the_cells_that_break_exports(tenant: Tenant) -> None:
    people = tenant.all_users()
    cells = [cell for user in people for cell in user.values() if isinstance(cell, str)]
    assert {cell[0] for cell in cells if cell} >= set("=+-@\t")
    assert any("\n" in (user["streetAddress"] or "") for user in people)
    assert any(cell == "" for cell in cells)
    assert any('"' in cell for cell in cells)
    assert any("#EXT#" in user["userPrincipalName"] and user["userType"] == "Guest" for user in people)
    assert any(not user["userPrincipalName"][0].isalnum() for user in people)
    assert any(user["ageGroup"] == "Minor" for user in people)
    assert {user["createdDateTime"] is None for user in people} == {True, False}


def test_a_request_without_a_token_is_refused(tenant: Tenant) -> None:
    assert error(ask(tenant, "/v1.0/users", {"authorization": ""})) == (401, "InvalidAuthenticationToken")


def test_an_error_has_graphs_own_shape(tenant: Tenant) -> None:
    call = Call("GET", "/v1.0/users?$top=0", {"authorization": "Bearer t", "client-request-id": "mine"})
    found = answer(tenant, call)
    inner = json.loads(found.body)["error"]["innerError"]
    assert inner["request-id"] == found.headers["request-id"]
    assert inner["client-request-id"] == "mine"
    assert "date" in inner


def test_a_list_without_select_has_the_eleven_default_properties(tenant: Tenant) -> None:
    _, page = users(tenant)
    assert len(page["value"]) == 100
    assert len(page["value"][0]) == 11


def test_only_what_was_selected_comes_back(tenant: Tenant) -> None:
    _, page = users(tenant, select="displayName,department", top=1)
    assert list(page["value"][0]) == ["displayName", "department"]


def test_an_unknown_property_is_refused(tenant: Tenant) -> None:
    assert error(users(tenant, select="id,shoeSize")) == (400, "BadRequest")
    assert error(users(tenant, filter="shoeSize eq 'x'")) == (400, "BadRequest")


@pytest.mark.parametrize("top", [0, 1000])
def test_a_page_has_1_to_999_users(tenant: Tenant, top: int) -> None:
    status, body = users(tenant, top=top)
    assert (status, body["error"]["code"]) == (400, "Request_UnsupportedQuery")
    assert body["error"]["message"] == f"Invalid page size specified: '{top}'. Must be between 1 and 999 inclusive."


def test_a_page_with_sign_in_activity_has_500_users_at_most(tenant: Tenant) -> None:
    assert users(tenant, select="id,signInActivity", top=500)[0] == 200
    assert error(users(tenant, select="id,signInActivity", top=501)) == (400, "Request_UnsupportedQuery")


@pytest.mark.parametrize("option", ["skip", "search"])
def test_skip_and_search_are_refused(tenant: Tenant, option: str) -> None:
    assert error(users(tenant, None, **{option: "1"})) == (400, "Request_BadRequest")


def test_a_changed_or_lonely_page_token_is_refused(tenant: Tenant) -> None:
    _, page = users(tenant, select="id", top=5)
    link = page["@odata.nextLink"].removeprefix(BASE)
    token = link.partition("skiptoken=")[2]
    assert ask(tenant, link)[0] == 200
    for bad in (f"/v1.0/users?$skiptoken={token}", link[:-3], link.replace("top=5", "top=6")):
        status, body = ask(tenant, bad)
        assert (status, body["error"]["message"]) == (400, "The page token is not valid.")


def test_every_page_of_an_advanced_query_needs_its_header_again(tenant: Tenant) -> None:
    _, page = users(tenant, EVENTUAL, filter="createdDateTime eq null", count="true", top=5)
    link = page["@odata.nextLink"].removeprefix(BASE)
    assert ask(tenant, link)[0] == 400
    assert ask(tenant, link, EVENTUAL)[0] == 200


def test_the_count_comes_on_page_one_only(tenant: Tenant) -> None:
    target = "/v1.0/users?$filter=createdDateTime%20eq%20null&$count=true&$top=100"
    found = list(pages(tenant, target, EVENTUAL))
    assert found[0]["@odata.count"] == sum(len(page["value"]) for page in found) == tenant.directory.nulls
    assert all("@odata.count" not in page for page in found[1:])


def test_count_true_without_the_header_is_ignored(tenant: Tenant) -> None:
    status, page = users(tenant, count="true")
    assert status == 200
    assert "@odata.count" not in page


def test_users_count_needs_the_header(tenant: Tenant) -> None:
    status, body = ask(tenant, "/v1.0/users/$count")
    assert (status, body["error"]["message"]) == (400, "$count is not currently supported.")
    assert ask(tenant, "/v1.0/users/$count", EVENTUAL) == (200, 3000)


DEFAULT = [
    "createdDateTime ge 2020-01-01T00:00:00Z and createdDateTime le 2021-01-01T00:00:00Z",
    "startsWith(userPrincipalName,'a')",
    "startswith(displayName,'o''b')",
    "accountEnabled eq true",
    "userType in ('Guest','Member')",
    "department eq 'R&D' or city eq 'Seattle'",
    "otherMails/any(x:x eq 'a@b.c')",
]
NEEDS_HEADER = [
    "createdDateTime eq null",
    "createdDateTime eq null and startsWith(userPrincipalName,'a')",
    "not(startsWith(userPrincipalName,'a') or startsWith(userPrincipalName,'b')) and createdDateTime eq null",
    "createdDateTime eq null and not startsWith(userPrincipalName,'a')",
    "companyName eq 'Contoso'",
    "userType ne 'Guest'",
    "endsWith(mail,'.nl')",
    "department eq null",
    "not(accountEnabled eq true)",
]
REFUSED = [
    "createdDateTime lt 2020-01-01T00:00:00Z",
    "createdDateTime gt 2020-01-01T00:00:00Z",
    "createdDateTime ge 2020-01-01",
    "createdDateTime ge '2020-01-01T00:00:00Z'",
    "createdDateTime eq 2020-01-01T00:00:00Z",
    "userPrincipalName ge 'a'",
    "userPrincipalName eq null",
    "endsWith(displayName,'x')",
    "startsWith(userType,'M')",
    "accountEnabled eq 'true'",
    "streetAddress ge 'x'",
    "ageGroup",
    "startsWith(userPrincipalName,'a'",
    "userType eq 'a' and",
    "displayName eq 'O'Brien'",
    "not userType eq 'Guest'",
    " or ".join(f"displayName eq '{n}'" for n in range(16)),
    "displayName in (" + ",".join(f"'{n}'" for n in range(16)) + ")",
]


@pytest.mark.parametrize("text", DEFAULT)
def test_default_filters_work_as_they_are(tenant: Tenant, text: str) -> None:
    assert users(tenant, filter=text)[0] == 200


@pytest.mark.parametrize("text", NEEDS_HEADER)
def test_advanced_filters_need_both_the_header_and_the_count(tenant: Tenant, text: str) -> None:
    assert error(users(tenant, filter=text)) == (400, "Request_UnsupportedQuery")
    assert error(users(tenant, EVENTUAL, filter=text)) == (400, "Request_UnsupportedQuery")
    assert error(users(tenant, filter=text, count="true")) == (400, "Request_UnsupportedQuery")
    assert users(tenant, EVENTUAL, filter=text, count="true")[0] == 200


@pytest.mark.parametrize("text", REFUSED)
def test_other_filters_are_refused_whatever_the_header(tenant: Tenant, text: str) -> None:
    assert users(tenant, EVENTUAL, filter=text, count="true")[0] == 400


def test_fifteen_clauses_and_fifteen_values_are_allowed(tenant: Tenant) -> None:
    assert users(tenant, filter=" or ".join(f"displayName eq '{n}'" for n in range(15)))[0] == 200
    assert users(tenant, filter="displayName in (" + ",".join(f"'{n}'" for n in range(15)) + ")")[0] == 200


def test_the_url_of_an_advanced_query_has_2048_characters_at_most(tenant: Tenant) -> None:
    short, long = ("not(displayName eq '{}')".format("x" * n) for n in (1500, 2048))
    assert users(tenant, EVENTUAL, filter=short, count="true")[0] == 200
    assert users(tenant, EVENTUAL, filter=long, count="true")[0] == 400
    assert users(tenant, filter=long[4:-1])[0] == 200


def test_orderby_is_advanced_with_a_filter_or_a_creation_time(tenant: Tenant) -> None:
    _, page = users(tenant, orderby="userPrincipalName", select="userPrincipalName", top=50)
    upns = [user["userPrincipalName"].lower() for user in page["value"]]
    assert upns == sorted(upns)
    assert users(tenant, orderby="createdDateTime")[0] == 400
    assert users(tenant, orderby="displayName", filter="accountEnabled eq true")[0] == 400
    assert users(tenant, EVENTUAL, orderby="displayName desc", filter="accountEnabled eq true", count="true")[0] == 200
    assert error(users(tenant, EVENTUAL, orderby="city", count="true")) == (400, "Request_UnsupportedQuery")


def test_b2c_tenants_have_no_counts_no_advanced_queries_and_no_methods() -> None:
    b2c = Tenant(users=20, shape="b2c")
    one = b2c.all_users()[0]["id"]
    assert error(ask(b2c, "/v1.0/users/$count", EVENTUAL)) == (400, "Request_UnsupportedQuery")
    assert users(b2c, EVENTUAL, count="true")[0] == 400
    assert users(b2c, EVENTUAL, filter="createdDateTime eq null", count="true")[0] == 400
    assert ask(b2c, f"/v1.0/users/{one}/authentication/methods")[0] == 403
    assert len(ids(b2c, "/v1.0/users")) == 20


def test_a_user_is_found_by_id_and_by_upn_whatever_the_case(tenant: Tenant) -> None:
    guest = next(user for user in tenant.all_users() if "#EXT#" in user["userPrincipalName"])
    for name in (guest["id"].upper(), quote(guest["userPrincipalName"].upper(), safe="")):
        status, found = ask(tenant, f"/v1.0/users/{name}?$select=id")
        assert (status, found["id"]) == (200, guest["id"])
    assert ask(tenant, f"/v1.0/users/{guest['userPrincipalName']}")[0] == 404, "an unescaped # ends the URL"


def test_a_missing_user_is_404_with_graphs_words(tenant: Tenant) -> None:
    status, body = ask(tenant, "/v1.0/users/nobody@contoso.com")
    assert (status, body["error"]["code"]) == (404, "Request_ResourceNotFound")
    assert "'nobody@contoso.com' does not exist" in body["error"]["message"]


def test_authentication_methods_carry_graphs_ids_and_take_no_options(tenant: Tenant) -> None:
    phones = dict[str, str]()
    for one in tenant.all_users()[:100]:
        _, found = ask(tenant, f"/v1.0/users/{one['id']}/authentication/methods")
        phones |= {m["id"]: m["phoneType"] for m in found["value"] if "phoneType" in m}
        _, only = ask(tenant, f"/v1.0/users/{one['id']}/authentication/phoneMethods")
        assert all(m["id"] in phones for m in only["value"])
        assert ask(tenant, f"/v1.0/users/{one['id']}/authentication/methods?$select=id")[0] == 400
    assert phones["3179e48a-750b-4051-897c-87b9720928f7"] == "mobile"


def test_missing_permissions_and_licences_are_403() -> None:
    poor = Tenant(users=3, deny=("authentication", "signin"))
    one = poor.all_users()[0]["id"]
    assert error(ask(poor, f"/v1.0/users/{one}/authentication/methods")) == (403, "accessDenied")
    assert error(users(poor, select="signInActivity")) == (403, "Authentication_MSGraphPermissionMissing")
    code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
    assert error(users(Tenant(users=3, premium=False), select="signInActivity")) == (403, code)


def test_a_share_of_the_users_may_have_methods_that_fail() -> None:
    broken = Tenant(users=300, method_errors=0.5)
    found = [ask(broken, f"/v1.0/users/{u['id']}/authentication/methods")[0] for u in broken.all_users()]
    assert set(found) == {200, 403, 404, 500}
    assert 90 < found.count(200) < 210


def batch(tenant: Tenant, *urls: str, **more: object) -> tuple[int, Any]:
    requests = [{"id": str(n), "method": "GET", "url": url, **more} for n, url in enumerate(urls)]
    return ask(tenant, "/v1.0/$batch", body={"requests": requests})


def test_a_batch_answers_each_request_for_itself_in_any_order(tenant: Tenant) -> None:
    known = tenant.all_users()[7]["id"]
    urls = [f"/users/{known}?$select=id", "/users/nobody@x.y", "/users/$count", *["/users?$top=1"] * 10]
    status, found = batch(tenant, *urls)
    answers = {each["id"]: each for each in found["responses"]}
    assert status == 200
    assert answers["0"]["body"]["id"] == known
    assert (answers["1"]["status"], answers["2"]["status"], answers["3"]["status"]) == (404, 400, 200)
    assert list(answers) != sorted(answers, key=int)


def test_a_request_of_a_batch_brings_its_own_headers(tenant: Tenant) -> None:
    _, found = batch(tenant, "/users/$count", headers={"ConsistencyLevel": "eventual"})
    assert found["responses"][0]["body"] == 3000


def test_a_batch_takes_twenty_requests_with_ids_of_their_own(tenant: Tenant) -> None:
    assert batch(tenant, *["/users?$top=1"] * 20)[0] == 200
    assert batch(tenant, *["/users?$top=1"] * 21)[0] == 400
    same = [{"id": "1", "method": "GET", "url": "/users"}] * 2
    assert ask(tenant, "/v1.0/$batch", body={"requests": same})[0] == 400
    assert batch(tenant, "https://graph.microsoft.com/v1.0/users")[1]["responses"][0]["status"] == 400


def test_get_by_ids_leaves_out_what_it_does_not_find(tenant: Tenant) -> None:
    some = [user["id"] for user in tenant.all_users()[:999]]
    missing = "00000000-0000-4000-8000-000000000000"
    _, found = ask(tenant, "/v1.0/directoryObjects/getByIds?$select=id", body={"ids": [*some, missing]})
    assert sorted(user["id"] for user in found["value"]) == sorted(some)
    assert ask(tenant, "/v1.0/directoryObjects/getByIds", body={"ids": [missing] * 1001})[0] == 400
    assert ask(tenant, "/v1.0/directoryObjects/getByIds", body={"ids": ["ann@contoso.com"]})[0] == 400


def test_members_of_a_group_are_filtered_by_advanced_queries_only(tenant: Tenant) -> None:
    staff, empty = (f"/v1.0/groups/{group}/members/microsoft.graph.user" for group in list(GROUPS)[:2])
    assert len(set(ids(tenant, staff))) == 1000
    assert ids(tenant, empty) == []
    assert ask(tenant, staff + "?$filter=accountEnabled%20eq%20true")[0] == 400
    assert ask(tenant, staff + "?$filter=accountEnabled%20eq%20true&$count=true", EVENTUAL)[0] == 200
    assert ask(tenant, "/v1.0/groups/nothing/members/microsoft.graph.user")[0] == 404


def test_deleted_users_are_listed_with_the_cast_only() -> None:
    tenant = Tenant(users=500)
    gone = tenant.all_users()[3]
    delete_user(tenant, gone["userPrincipalName"])
    assert gone["id"] in ids(tenant, "/v1.0/directory/deletedItems/microsoft.graph.user")
    assert ask(tenant, "/v1.0/directory/deletedItems")[0] == 400


def test_changes_show_in_lists_counts_and_delta() -> None:
    tenant = Tenant(users=200)
    _, latest = ask(tenant, "/v1.0/users/delta?$deltatoken=latest&$select=id,userPrincipalName")
    gone, moved, *_ = tenant.all_users()
    delete_user(tenant, gone["id"])
    update_user(tenant, moved["id"], {"userPrincipalName": "renamed@contoso.com"})
    made = create_user(tenant, {"userPrincipalName": "new@contoso.com", "displayName": "New"})
    assert ask(tenant, "/v1.0/users/$count", EVENTUAL) == (200, 200)
    listed = ids(tenant, "/v1.0/users?$top=7")
    assert len(listed) == len(set(listed)) == 200
    assert made["id"] in listed
    assert gone["id"] not in listed
    assert ids(tenant, "/v1.0/users?$filter=startsWith(userPrincipalName,'renamed')") == [moved["id"]]
    assert ask(tenant, f"/v1.0/users/{quote(moved['userPrincipalName'])}")[0] == 404
    _, delta = ask(tenant, latest["@odata.deltaLink"].removeprefix(BASE))
    assert [user["id"] for user in delta["value"]] == [gone["id"], moved["id"], made["id"]]
    assert delta["value"][0]["@removed"] == {"reason": "changed"}
    assert delta["value"][1]["userPrincipalName"] == "renamed@contoso.com"
    assert ask(tenant, delta["@odata.deltaLink"].removeprefix(BASE))[1]["value"] == []


def test_delta_from_the_start_gives_everyone_and_takes_no_top() -> None:
    tenant = Tenant(users=450)
    found = list(pages(tenant, "/v1.0/users/delta?$select=id"))
    assert len({user["id"] for page in found for user in page["value"]}) == 450
    assert "@odata.deltaLink" in found[-1]
    assert ask(tenant, "/v1.0/users/delta?$top=5")[0] == 400


def test_the_identity_limit_refuses_with_the_seconds_to_wait() -> None:
    now = [0.0]
    tenant = Tenant(users=3, units=10, clock=lambda: now[0])
    target = "/v1.0/users"
    assert [ask(tenant, target)[0] for _ in range(6)] == [200] * 5 + [429]
    call = Call("GET", target, {"authorization": "Bearer t"})
    assert answer(tenant, call).headers["Retry-After"] == "2"
    now[0] = 2.0
    assert ask(tenant, target)[0] == 200
    assert tenant.stats.throttled == 2


def test_a_select_makes_a_list_cheaper_and_a_batch_pays_for_each_request() -> None:
    tenant = Tenant(users=3, units=10, clock=lambda: 0.0)
    _, found = batch(tenant, *["/users?$select=id"] * 12)
    assert [each["status"] for each in found["responses"]].count(200) == 10
    assert all("Retry-After" in each["headers"] for each in found["responses"] if each["status"] == 429)


def test_authentication_methods_have_a_limit_of_their_own() -> None:
    tenant = Tenant(users=3, method_limit=5, clock=lambda: 0.0)
    one = tenant.all_users()[0]["id"]
    _, found = batch(tenant, *[f"/users/{one}/authentication/methods"] * 8)
    assert [each["status"] for each in found["responses"]].count(429) == 3


def test_shapes_are_what_their_names_say() -> None:
    burst = [user["createdDateTime"] for user in Tenant(users=4000, shape="burst").all_users()]
    oneday = {user["createdDateTime"][:10] for user in Tenant(users=200, shape="oneday").all_users()}
    assert max(burst.count(second) for second in set(burst)) == 2000
    assert len(oneday) == 1
    assert Tenant(users=1000, shape="null90").directory.nulls == 900
    onehour = Tenant(users=1000, shape="onehour").directory
    assert onehour.nulls == 20
    assert max(bisect_left(onehour.created, at + 3_600_000) - first for first, at in enumerate(onehour.created)) == 140
