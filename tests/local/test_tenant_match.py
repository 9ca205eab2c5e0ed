"""Bisection finds the same users as looking at each of them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.tenant import Tenant, delete_user, update_user
from local.tenant.listing import count, page_positions
from local.tenant.match import matched, predicate
from local.tenant.odata_parser import parse
from local.tenant.query import parse_query
from local.tenant.runs import Runs, complement, intersect, union

TENANTS = {shape: Tenant(users=600, seed=9, shape=shape) for shape in ("normal", "null90", "burst", "oneday")}
PEOPLE = {shape: tenant.all_users() for shape, tenant in TENANTS.items()}
HIDDEN = Tenant(users=600, seed=9, fractions=True)


def instants() -> st.SearchStrategy[str]:
    some = [user["createdDateTime"] for people in PEOPLE.values() for user in people[::7]]
    known = st.sampled_from([text for text in some if text])
    any_time = st.datetimes(datetime(2010, 1, 1), datetime(2027, 1, 1)).map(lambda t: f"{t:%Y-%m-%dT%H:%M:%SZ}")  # noqa: DTZ001
    return known | any_time


LEAVES = st.one_of(
    instants().map("createdDateTime ge {}".format),
    instants().map("createdDateTime le {}".format),
    st.sampled_from(["createdDateTime eq null", "createdDateTime ne null", "accountEnabled eq true", "mail eq null"]),
    st.text("abijmsz_~#'2.", min_size=1, max_size=2).map(
        lambda text: "startsWith(userPrincipalName,'{}')".format(text.replace("'", "''"))
    ),
    st.sampled_from(["endsWith(mail,'.nl')", "startsWith(displayName,'j')", "city in ('Seattle','Köln')"]),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map("not({})".format),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " and ".join(f"({part})" for part in parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: " or ".join(f"({part})" for part in parts)),
    ),
    max_leaves=5,
)


def milliseconds(user: dict[str, Any]) -> float | None:
    text = user["createdDateTime"]
    return text and datetime.fromisoformat(text).timestamp() * 1000


@settings(max_examples=150, deadline=None)
@given(text=FILTERS, shape=st.sampled_from(sorted(TENANTS)))
def test_a_filter_matches_what_a_look_at_each_user_says(text: str, shape: str) -> None:
    tree = parse(text)
    test = predicate(tree)
    expected = [at for at, user in enumerate(PEOPLE[shape]) if test(user, milliseconds(user))]
    assert list(matched(TENANTS[shape].directory, tree)) == expected


@settings(max_examples=100, deadline=None)
@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_runs_behave_as_sets(left: set[int], right: set[int]) -> None:
    def runs(positions: set[int]) -> Runs:
        return union([], [(at, at + 1) for at in positions])

    def positions(found: Runs) -> set[int]:
        return {at for low, high in found for at in range(low, high)}

    assert positions(intersect(runs(left), runs(right))) == left & right
    assert positions(union(runs(left), runs(right))) == left | right
    assert positions(complement(runs(left), 41)) == set(range(41)) - left


def test_neighbouring_closed_ranges_cover_everyone_even_with_hidden_fractions() -> None:
    directory = HIDDEN.directory
    edge = HIDDEN.all_users()[300]["createdDateTime"]
    low, high, null = (
        set(matched(directory, parse(text)))
        for text in (f"createdDateTime le {edge}", f"createdDateTime ge {edge}", "createdDateTime eq null")
    )
    assert low | high | null == set(range(600))


def test_a_range_that_ends_a_second_early_loses_users_with_hidden_fractions() -> None:
    stamp = HIDDEN.directory.created[300] // 1000
    edge = datetime.fromtimestamp(stamp, UTC)
    found = set(matched(HIDDEN.directory, parse(f"createdDateTime le {edge:%Y-%m-%dT%H:%M:%SZ}")))
    assert 300 not in found, "its hidden milliseconds come after the second that Graph shows"


@pytest.mark.parametrize("text", [None, "accountEnabled eq true", "startsWith(userPrincipalName,'zz')"])
def test_counts_and_pages_agree_after_changes(text: str | None) -> None:
    tenant = Tenant(users=300)
    people = tenant.all_users()
    for user in people[:20]:
        delete_user(tenant, user["id"])
    for number, user in enumerate(people[20:40]):
        update_user(tenant, user["id"], {"userPrincipalName": f"zz{number}@x.y", "accountEnabled": number % 2 == 0})
    domain = tenant.everyone()
    params = {"$top": "9"} | ({"$filter": text} if text else {})
    query = parse_query(params, {}, 0, domain)
    found: list[int] = []
    more = True
    while more:
        positions, more = page_positions(domain, query)
        found += positions
        query = type(query)(query.select, 9, text, None, False, False, query.start + 9, query.page + 1)
    assert len(found) == len(set(found)) == count(domain, text)
    test = predicate(parse(text)) if text else None
    assert len(found) == sum(test is None or test(user, milliseconds(user)) for user in tenant.all_users())
