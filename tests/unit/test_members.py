"""Members of a group or unit: whether one is, and by which road they are read."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.export.members import FEW, Members, are_few
from shared.ranges.keys import key_of

ids = st.uuids().map(str)


@given(st.sets(ids, max_size=60), st.sets(ids, max_size=20))
def test_each_member_has_a_place_of_its_own_and_nobody_else_has_one(inside: set[str], others: set[str]) -> None:
    members = Members(b"".join(sorted(map(key_of, inside))))
    assert len(members) == len(inside)
    assert sorted(place for each in inside if (place := members.place(key_of(each))) is not None) == [
        *range(len(inside))
    ]
    assert {each for each in others if members.place(key_of(each)) is not None} == inside & others
    assert {str(uuid.UUID(bytes=members.keys[at * 16 : at * 16 + 16])) for at in range(len(members))} == inside


@pytest.mark.parametrize(
    ("members", "total", "select", "few"),
    [
        (0, 0, (), True),
        (FEW, 2_000, (), True),
        (FEW + 1, 2_000, (), False),
        (20_000, 1_000_000, (), True),
        (20_001, 1_000_000, (), False),
        (999, 1_000, ("signInActivity",), False),
        (2, 1_000, ("signInActivity",), True),
        (2_001, 1_000_000, ("signInActivity",), False),
        (None, 1_000, (), True),
        (5_000, None, (), True),
    ],
)
def test_few_are_read_one_by_one_and_many_with_the_tenants_pages(
    members: int | None, total: int | None, select: tuple[str, ...], few: bool
) -> None:
    assert are_few(members, total, select) is few
