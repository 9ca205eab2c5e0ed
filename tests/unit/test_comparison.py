"""A comparison names each user who was added, removed or changed, and no one else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.files import comparison
from shared.files.comparison import Columns, Counts, NoKey, Twice

NAMES = ("objectId", "userPrincipalName", "city", "department")
COLUMNS = comparison.columns_of(NAMES, NAMES, ())


def row(object_id: str, name: str = "ann@a.example", city: str = "", department: str = "") -> dict[str, str]:
    return dict(zip(NAMES, (object_id, name, city, department), strict=True))


def lines(users: list[dict[str, str]], columns: Columns = COLUMNS) -> list[bytes]:
    return comparison.lines([[user[name] for name in (*NAMES[:2], *columns.compared)] for user in users])


def compared(old: list[dict[str, str]], new: list[dict[str, str]], columns: Columns = COLUMNS, **more: Any) -> Any:
    names = comparison.header(columns.compared)
    joined = comparison.join(lines(old, columns), lines(new, columns))
    found = comparison.rows(joined, columns.compared, Counts(), **more)
    return [{name: cell for name, cell in zip(names, each, strict=True) if cell} for each in found]


def test_the_header_has_old_beside_new_and_the_id_once() -> None:
    assert comparison.header(COLUMNS.compared) == [
        *("change", "removedBecause", "objectId", "userPrincipalName", "userPrincipalName (old)", "changedColumns"),
        *("city", "city (old)", "department", "department (old)"),
    ]


def test_a_changed_user_has_both_values_and_the_names_of_what_has_changed() -> None:
    assert compared([row("1", city="Rome", department="A")], [row("1", "eva@a.example", "Oslo", "A")]) == [
        {
            "change": "changed",
            "objectId": "1",
            "userPrincipalName": "eva@a.example",
            "userPrincipalName (old)": "ann@a.example",
            "changedColumns": "userPrincipalName; city",
            "city": "Oslo",
            "city (old)": "Rome",
            "department": "A",
            "department (old)": "A",
        }
    ]


def test_an_added_user_has_new_values_only_and_a_removed_one_old_ones_only() -> None:
    found = compared([row("1", city="Rome")], [row("2", "eva@a.example", "Oslo")], reasons={b"1": comparison.DELETED})
    assert found == [
        {"change": "added", "objectId": "2", "userPrincipalName": "eva@a.example", "city": "Oslo"},
        {
            "change": "removed",
            "removedBecause": "deleted",
            "objectId": "1",
            "userPrincipalName": "ann@a.example",
            "userPrincipalName (old)": "ann@a.example",
            "city (old)": "Rome",
        },
    ]


def test_why_someone_is_gone_is_unknown_unless_it_is_known() -> None:
    assert compared([row("1")], [])[0]["removedBecause"] == "unknown"


def test_ids_are_the_same_whatever_their_case() -> None:
    assert compared([row("AB")], [row("ab")]) == []


def test_a_column_that_one_export_could_not_read_changes_nobody_and_is_named() -> None:
    columns = comparison.columns_of(NAMES, (*NAMES, "mail"), ["city"])
    assert columns == Columns(("userPrincipalName", "department"), ("city",), (), ("mail",))
    assert compared([row("1", city="Rome")], [{**row("1"), "mail": "a"}], columns) == []


def test_a_cell_with_an_error_changes_nobody_and_is_empty() -> None:
    old, new = [row("1", city="Rome", department="A")], [row("1", department="B")]
    (found,) = compared(old, new, errors={b"1": {"city"}})
    assert found["changedColumns"] == "department"
    assert not {"city", "city (old)"} & {*found}
    assert compared([row("1", city="Rome")], [row("1")], errors={b"1": {"city"}}) == []


def test_columns_that_only_one_has_are_named() -> None:
    found = comparison.columns_of(("objectId", "a", "b"), ("c", "objectId", "b"), ())
    assert found == Columns(("b",), (), ("a",), ("c",))
    names = ("change", "removedBecause", "objectId", "userPrincipalName", "changedColumns", "b", "b (old)")
    assert comparison.header(found.compared) == [*names]


tenants = st.dictionaries(
    st.sampled_from([str(number) for number in range(12)]),
    st.tuples(*[st.sampled_from(["", "x", "y"])] * 3),
).map(lambda users: [row(user, *cells) for user, cells in users.items()])


@given(tenants, tenants)
def test_what_is_told_makes_the_new_export_of_the_old_one(old: list[dict[str, str]], new: list[dict[str, str]]) -> None:
    users, counts = {each["objectId"]: each for each in old}, Counts()
    names = comparison.header(COLUMNS.compared)
    for cells in comparison.rows(comparison.join(lines(old), lines(new)), COLUMNS.compared, counts):
        told = dict(zip(names, cells, strict=True))
        before = users.pop(told["objectId"], None)
        assert (before is None) == (told["change"] == "added")
        if before:
            assert {name: told[f"{name} (old)"] for name in NAMES[1:]} == {name: before[name] for name in NAMES[1:]}
        if told["change"] != "removed":
            users[told["objectId"]] = {name: told[name] for name in NAMES}
        if told["change"] == "changed":
            assert before != users[told["objectId"]]
    assert users == {each["objectId"]: each for each in new}
    assert counts.added + counts.changed + counts.unchanged == len(new)
    assert counts.removed + counts.changed + counts.unchanged == len(old)


@given(tenants, tenants, st.integers(1, 5))
def test_in_partitions_it_is_the_same(old: list[dict[str, str]], new: list[dict[str, str]], partitions: int) -> None:
    def some(users: list[dict[str, str]], number: int) -> list[bytes]:
        return [each for each in lines(users) if comparison.partition_of(comparison.key_of(each), partitions) == number]

    parted, whole = Counts(), Counts()
    found = [
        each
        for number in range(partitions)
        for each in comparison.rows(comparison.join(some(old, number), some(new, number)), COLUMNS.compared, parted)
    ]
    joined = comparison.join(lines(old), lines(new))
    assert sorted(found) == sorted(comparison.rows(joined, COLUMNS.compared, whole))
    assert parted == whole


@given(st.text("abcdef0123456789-", min_size=1), st.integers(1, 100))
def test_the_partition_of_a_user_is_the_same_whatever_the_case(user: str, partitions: int) -> None:
    small, large = (comparison.key_of(*lines([row(each)])) for each in (user, user.upper()))
    assert small == large == user.encode()
    assert comparison.partition_of(small, partitions) in range(partitions)


@pytest.mark.parametrize("old", [True, False])
def test_a_user_who_is_in_an_export_twice_is_refused(old: bool) -> None:
    twice, once = lines([row("A"), row("a", city="Rome")]), lines([row("b")])
    with pytest.raises(Twice, match="old" if old else "new"):
        comparison.join(*((twice, once) if old else (once, twice)))


@pytest.mark.parametrize("user", ["", 'a"b', "a\\b"])
def test_what_can_be_no_object_id_is_refused(user: str) -> None:
    with pytest.raises(NoKey):
        comparison.join(lines([row(user)]), [])
