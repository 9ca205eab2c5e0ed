"""What a range asks Graph for, and which users it keeps."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ChainBroken, ExportError
from shared.graph import odata
from shared.graph.odata import encoded
from shared.graph.users import User
from shared.ranges.ranges import Range, from_dict, keeps, kept, literal, question

LOW, HIGH = 1_600_000_000, 1_600_003_600
HOUR = Range(kind="time", low=LOW, high=HIGH)
FIRST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

prefixes = st.lists(st.text("abc0'.-_#", min_size=1, max_size=5), max_size=4).map(tuple)
seconds = st.none() | st.integers(FIRST, LAST)
ranges = st.builds(
    Range,
    kind=st.sampled_from(["all", "time", "null", "users"]),
    low=seconds,
    high=seconds,
    prefixes=prefixes,
    except_prefixes=prefixes,
    expected=st.none() | st.integers(0, 10**9),
)


def user(created: str | None, name: str | None = "ann@contoso.com") -> User:
    return User(id="1", created_date_time=created, user_principal_name=name)


@pytest.mark.parametrize(
    ("part", "asked"),
    [
        (Range(kind="all"), ""),
        (Range(kind="users", low=0, high=9), ""),
        (Range(kind="null"), "createdDateTime eq null"),
        (HOUR, "createdDateTime ge 2020-09-13T12:26:40Z and createdDateTime le 2020-09-13T13:26:40Z"),
        (Range(kind="time", high=0), "createdDateTime le 1970-01-01T00:00:00Z"),
        (Range(kind="time", low=0), "createdDateTime ge 1970-01-01T00:00:00Z"),
        (Range(kind="time"), ""),
        (
            Range(kind="null", prefixes=("a",)),
            "createdDateTime eq null and startsWith(userPrincipalName,'a')",
        ),
        (
            Range(kind="null", prefixes=("a", "o'b")),
            "createdDateTime eq null and (startsWith(userPrincipalName,'a') or startsWith(userPrincipalName,'o''b'))",
        ),
        (
            Range(kind="null", prefixes=("a",), except_prefixes=("ab", "ac")),
            "createdDateTime eq null and startsWith(userPrincipalName,'a')"
            " and not(startsWith(userPrincipalName,'ab')) and not(startsWith(userPrincipalName,'ac'))",
        ),
        (Range(kind="time", except_prefixes=("a",)), "not(startsWith(userPrincipalName,'a'))"),
    ],
)
def test_the_question_is_closed_on_both_ends(part: Range, asked: str) -> None:
    assert question(part) == asked


@given(ranges)
def test_every_question_is_a_whole_filter(part: Range) -> None:
    asked = question(part)
    if asked:
        odata.check(asked)


@given(ranges, st.integers(0, 600))
def test_a_question_without_room_leaves_out_exclusions_from_the_end_and_nothing_else(part: Range, room: int) -> None:
    asked, whole = question(part, room), question(part)

    assert whole.startswith(asked)
    assert len(encoded(asked)) <= max(room, len(encoded(question(part, 0))))
    assert question(part, len(encoded(whole))) == whole


def test_what_the_question_has_no_room_to_exclude_is_dropped_by_keeps() -> None:
    part = Range(kind="null", except_prefixes=("an", "bo"))

    assert question(part, 70) == "createdDateTime eq null and not(startsWith(userPrincipalName,'an'))"
    assert not keeps(part, user(None, "BOB@contoso.com"))
    assert not keeps(part, user(None, "ann@contoso.com"))
    assert keeps(part, user(None, "carl@contoso.com"))
    assert keeps(part, user(None, None))


@pytest.mark.parametrize(
    ("created", "kept"),
    [
        ("2020-09-13T12:26:40Z", True),
        ("2020-09-13T12:26:40.0000001Z", True),
        ("2020-09-13T13:26:39Z", True),
        ("2020-09-13T13:26:39.999Z", True),
        ("2020-09-13T13:26:40Z", False),
        ("2020-09-13T15:26:39+02:00", True),
    ],
)
def test_a_range_keeps_its_first_second_and_not_its_last(created: str, kept: bool) -> None:
    assert keeps(HOUR, user(created)) is kept


@pytest.mark.parametrize(
    ("part", "created"),
    [
        (HOUR, "2020-09-13T12:26:39Z"),
        (HOUR, "2020-09-13T13:26:41Z"),
        (HOUR, "2020-09-13T13:26:40.5Z"),
        (HOUR, None),
        (Range(kind="time"), None),
        (Range(kind="null"), "2020-09-13T13:26:40Z"),
    ],
)
def test_a_user_that_was_not_asked_for_shows_that_graph_ignored_the_filter(part: Range, created: str | None) -> None:
    with pytest.raises(ExportError, match="FilterIgnored") as caught:
        keeps(part, user(created))
    assert not isinstance(caught.value, ChainBroken)


def test_a_user_with_another_beginning_can_be_a_rename_so_the_range_is_read_again() -> None:
    part = Range(kind="null", prefixes=("a", "b"))

    assert keeps(part, user(None, "Bob@contoso.com"))
    with pytest.raises(ChainBroken, match="FilterIgnored"):
        keeps(part, user(None, "carl@contoso.com"))


def test_a_created_date_time_that_is_no_time_is_an_error_with_a_reason() -> None:
    with pytest.raises(ExportError, match="UnreadableAnswer"):
        keeps(HOUR, user("yesterday"))


near = st.builds(
    lambda border, seconds, form: datetime.fromtimestamp(border + seconds, UTC).strftime(form),
    st.sampled_from([LOW, HIGH]),
    st.integers(-2, 2),
    st.sampled_from(["%Y-%m-%dT%H:%M:%SZ"] * 3 + ["%Y-%m-%dT%H:%M:%S.5Z", "%Y-%m-%dT%H:%M:%S+00:00"]),
)


@given(
    st.sampled_from([replace(HOUR, low=low, high=high) for low in (None, LOW) for high in (None, HIGH)]),
    st.lists(near | st.sampled_from([None, "", "yesterday"]), max_size=4),
)
def test_of_a_page_a_range_keeps_whom_it_keeps_one_by_one(part: Range, times: list[str | None]) -> None:
    users = [user(created) for created in times]
    try:
        expected = [each for each in users if keeps(part, each)]
    except ExportError as problem:
        with pytest.raises(type(problem), match=re.escape(str(problem))):
            kept(part, users)
    else:
        assert kept(part, users) == expected


@pytest.mark.parametrize("kind", ["all", "users"])
def test_ranges_without_a_question_by_time_keep_everyone(kind: str) -> None:
    part = from_dict({"kind": kind})

    assert keeps(part, user(None))
    assert keeps(part, user("2020-09-13T13:26:40Z"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (FIRST, "0001-01-01T00:00:00Z"),
        (FIRST + 999 * 365 * 86_400, "0999-05-04T00:00:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (LAST, "9999-12-31T23:59:59Z"),
    ],
)
def test_a_literal_has_four_digits_for_every_year(seconds: int, text: str) -> None:
    assert literal(seconds) == text


@given(st.integers(FIRST, LAST))
def test_a_literal_means_the_same_second(second: int) -> None:
    assert datetime.fromisoformat(literal(second)).timestamp() == second


@given(ranges)
def test_a_range_is_the_same_after_a_way_through_json(part: Range) -> None:
    assert from_dict(json.loads(json.dumps(part.as_dict()))) == part


def test_a_range_that_begins_at_zero_and_expects_nobody_keeps_its_zeros() -> None:
    assert Range(kind="time", low=0, expected=0).as_dict() == {"kind": "time", "low": 0, "expected": 0}


def test_a_letter_that_only_python_takes_for_an_i_is_kept_wherever_graph_sends_it() -> None:
    turkish = user(None, "\u0130stan@contoso.com")

    assert keeps(Range(kind="null", prefixes=("i",)), turkish)
    assert keeps(Range(kind="null", except_prefixes=("i",)), turkish)
