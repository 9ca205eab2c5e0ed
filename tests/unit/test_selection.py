"""Where Graph has a selected user: names as people write them, and what can be no name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ExportError
from shared.export.selection import address
from shared.graph.users import LONGEST_NAME

GUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("name", "where"),
    [
        (GUID, f"/users/{GUID}"),
        ("ann@contoso.example", "/users/ann@contoso.example"),
        ("ann_contoso.com#EXT#@fabrikam.example", "/users/ann_contoso.com%23EXT%23@fabrikam.example"),
        ("o'brien@contoso.example", "/users/o%27brien@contoso.example"),
        ("$abc@contoso.example", "/users('$abc@contoso.example')"),
        ("$o'brien#1@contoso.example", "/users('$o''brien%231@contoso.example')"),
        ("jürgen@contoso.example", "/users/j%C3%BCrgen@contoso.example"),
        ("two words+1&2=3@contoso.example", "/users/two%20words%2B1%262%3D3@contoso.example"),
        # As a segment each of these would be another address.
        ("delta", "/users('delta')"),
        ("me", "/users('me')"),
        ("$count", "/users('$count')"),
        ("..", "/users('..')"),
        ("it's", "/users('it''s')"),
    ],
)
def test_a_user_is_addressed_as_graph_wants(name: str, where: str) -> None:
    assert address(name) == where


@pytest.mark.parametrize(
    "name",
    [
        "ann@contoso.example/manager",
        "..\\ann@contoso.example",
        "ann@contoso.example?$select=id",
        "ann%2Fmanager@contoso.example",
        "ann\n@contoso.example",
        "\0@",
        "a" * LONGEST_NAME + "@contoso.example",
    ],
)
def test_what_could_be_another_address_is_never_asked(name: str) -> None:
    with pytest.raises(ExportError) as caught:
        address(name)
    assert caught.value.code == "InvalidUser"
    assert len(caught.value.reason) < 1000


@given(st.text(min_size=1, max_size=500))
def test_any_name_is_one_address_below_users_or_an_error(name: str) -> None:
    try:
        where = address(name)
    except ExportError:
        return
    assert where.startswith(("/users/", "/users('"))
    assert where.isascii()
    assert not set(where.removeprefix("/users/").removeprefix("/users('")) & set("/\\?# ")
