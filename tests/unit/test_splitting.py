"""Splitting a tenant: whatever Graph counts, each user is in exactly one range; with true counts, evenly."""

import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from shared.export.sizes import range_size
from shared.ranges import splitting
from shared.ranges.counting import Planning
from shared.ranges.ranges import Range, keeps
from tests.unit.counting import NOW, Counter, Drive, Person, Tenant, drive, matches

DAY = 86_400
FIRST = int(datetime(1, 1, 1, tzinfo=UTC).timestamp())
LAST = int(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())

bursts = st.sampled_from([NOW - 400 * DAY, NOW - 400 * DAY + 1, NOW - 400 * DAY + 2, 0, -1, NOW])
moments = st.one_of(
    st.none(),
    bursts,
    st.integers(NOW - 3000 * DAY, NOW),
    st.integers(FIRST, LAST),
    st.builds(lambda second, fraction: second + fraction / 8, bursts, st.integers(0, 7)),
)
names = st.one_of(
    st.text(max_size=4),
    st.text("aA0", max_size=3),
    st.builds("u{:03d}@x".format, st.integers(0, 20)),
    st.sampled_from(["", "é@x", "ß", "'", "''", "a@x", "A@X"]),
)
people = st.lists(st.builds(Person, moments, names), max_size=25)


def planned(size: int) -> Planning:
    return splitting.split(lambda _: size, NOW)


def kept_by(ranges: list[Range], person: Person) -> list[Range]:
    return [part for part in ranges if matches(part, person) and keeps(part, person.user())]


def assert_each_in_one(ranges: list[Range] | None, everyone: list[Person]) -> None:
    for person in everyone:
        assert ranges is None or len(kept_by(ranges, person)) == 1


def exact(everyone: list[Person]) -> Counter:
    return lambda part: sum(matches(part, person) for person in everyone)


@hypothesis(max_examples=120, deadline=None)
@given(people, st.integers(1, 6))
def test_with_true_counts_every_user_is_kept_by_exactly_one_range(everyone: list[Person], size: int) -> None:
    done = drive(planned(size), exact(everyone))

    assert done.ranges is not None
    assert_each_in_one(done.ranges, everyone)


@hypothesis(max_examples=120, deadline=None)
@given(people, st.integers(1, 6), st.floats(0, 1.5), st.floats(0, 1.5), st.integers(0, 99))
def test_with_counts_that_lag_every_user_is_kept_by_exactly_one_range(
    everyone: list[Person], size: int, lowest: float, span: float, seed: int
) -> None:
    true, chance = exact(everyone), random.Random(seed)
    done = drive(
        planned(size),
        lambda part: int((true(part) or 0) * chance.uniform(lowest, lowest + span)),
    )

    assert_each_in_one(done.ranges, everyone)


@hypothesis(max_examples=80, deadline=None)
@given(people, st.integers(1, 6), st.integers(0, 40))
def test_a_refused_count_ends_in_one_chain_or_in_a_range_that_is_not_split(
    everyone: list[Person], size: int, refused: int
) -> None:
    asked = itertools.count()
    true = exact(everyone)
    done = drive(planned(size), lambda part: None if next(asked) == refused else true(part))

    assert_each_in_one(done.ranges, everyone)


@hypothesis(max_examples=80, deadline=None)
@given(people, st.integers(0, 99), st.integers(0, 3))
def test_counts_that_have_nothing_to_do_with_the_users_lose_and_double_nobody(
    everyone: list[Person], seed: int, depth: int
) -> None:
    asked, chance = itertools.count(), random.Random(seed)
    done = drive(
        planned(10),
        lambda part: (
            100 if part.kind == "all" else chance.randrange(30) if next(asked) < 100 * depth else chance.randrange(5)
        ),
    )

    assert_each_in_one(done.ranges, everyone)


@hypothesis(max_examples=120, deadline=None)
@given(people, st.integers(1, 6), st.floats(0, 1.5), st.integers(0, 60))
def test_by_name_alone_every_user_is_kept_by_exactly_one_range_whatever_graph_counts(
    everyone: list[Person], size: int, share: float, refused: int
) -> None:
    asked, true = itertools.count(), exact(everyone)
    planning = splitting.split_by_name_only(lambda _: size)
    done = drive(planning, lambda part: None if next(asked) == refused else int((true(part) or 0) * share))

    assert all(part.kind == "all" for part in done.ranges or ())
    assert_each_in_one(done.ranges, everyone)


def test_what_can_not_be_split_is_counted_once_and_left_whole() -> None:
    small = drive(splitting.leave_whole(lambda _: 10), lambda _: 10)
    large = drive(splitting.leave_whole(lambda _: 10), lambda _: 11)
    uncounted = drive(splitting.leave_whole(lambda _: 10), lambda _: None)

    assert (small.total, small.ranges) == (10, [Range(kind="all", expected=10)])
    assert (large.total, large.ranges, large.probes) == (11, None, 1)
    assert (uncounted.total, uncounted.ranges) == (None, None)


def test_when_graph_does_not_count_the_export_is_one_chain() -> None:
    done = drive(planned(10), lambda _: None)

    assert (done.total, done.ranges) == (None, None)


def test_when_graph_counts_no_users_without_created_date_time_the_export_is_one_chain() -> None:
    done = drive(planned(10), lambda part: None if part.kind == "null" else 100)

    assert (done.total, done.ranges) == (100, None)


def test_when_graph_takes_no_name_filters_a_crowd_stays_one_range() -> None:
    def count(part: Range) -> int | None:
        if part.prefixes or part.except_prefixes:
            return None
        return 500 if part.kind in {"all", "null"} else 0

    done = drive(planned(10), count)

    assert done.ranges is not None
    assert [part for part in done.ranges if part.kind == "null"] == [Range(kind="null", expected=500)]


@pytest.mark.parametrize("total", [0, 1, 3, 100])
def test_a_tenant_that_fits_in_one_range_is_not_split_and_costs_one_round_trip(total: int) -> None:
    done = drive(planned(100), lambda part: total if part.kind == "all" else None)

    assert done.levels == 1
    assert done.ranges == [Range(kind="all", expected=total)]


def test_an_evenly_grown_tenant_of_200_000_costs_one_round_trip() -> None:
    big = tenant(growing(190_000), human(200_000), nulls=10_000)
    done = split(big, range_size(big.total, most=40_000, parallel=32))

    assert done.ranges is not None
    assert done.levels == 1
    assert len(done.ranges) <= 33
    assert max(big.kept(part) for part in done.ranges) <= 8 * 999


@pytest.mark.parametrize(
    ("ordered", "alike", "levels", "requests", "ranges"),
    [(False, False, 1, 20, 34), (False, True, 1, 20, 34), (True, False, 2, 50, 33)],
    ids=["no order", "no order, names alike", "the oldest first"],
)
@pytest.mark.parametrize("seconds", [30, 600, 3600, 86_400])
def test_a_script_that_created_a_seventh_of_100_000_users_costs_one_more_round_trip_only_where_graph_sends_an_order(
    seconds: int, ordered: bool, alike: bool, levels: int, requests: int, ranges: int
) -> None:
    big = scripted(seconds, numbered if alike else human)
    done = drive(planned(3_125), big.asked, big.sampled if ordered else big.scrambled)

    assert done.ranges is not None
    assert done.levels == levels
    assert done.batches + done.pages <= requests
    assert len(done.ranges) <= ranges
    assert max(big.kept(part) for part in done.ranges) <= 4 * 999


def test_a_second_with_many_users_is_read_once() -> None:
    """A range asks for the second at its border too, so a border there would read its users in vain."""
    chance = random.Random(1)
    seconds = [NOW - chance.randrange(4_000 * DAY) for _ in range(20)]
    times = [second for second in seconds for _ in range(2_000)] + growing(160_000)
    big = tenant(times, human(200_000))
    done = drive(planned(range_size(big.total, most=40_000, parallel=40)), big.asked, big.scrambled)

    assert done.ranges is not None
    assert done.levels == 1
    assert max(big.asked(part) for part in done.ranges) <= 7 * 999
    assert sum(big.asked(part) for part in done.ranges) <= 1.02 * big.total


def test_a_page_that_is_spread_unlike_the_counts_is_no_sample() -> None:
    """Such as one that Graph sends in the order of names, where a script has numbered its users."""
    big = scripted(3_600, human)
    script = [created for created, _ in big.people if 0 <= created - (NOW - 1900 * DAY) < 3_600]

    def sample(part: Range) -> list[int] | None:
        low, high = part.low or FIRST, part.high or LAST
        first = low <= script[0] and script[-1] <= high and high - low > 300 * DAY
        return random.Random(1).sample(script[:999], 999) if first else big.scrambled(part)

    done = drive(planned(3_125), big.asked, sample)

    assert done.ranges is not None
    assert max(big.kept(part) for part in done.ranges) <= 4 * 999


def test_ranges_that_a_sample_has_cut_seldom_need_another_page() -> None:
    largest = []
    for seconds in (30, 600, 1_800, 3_600, 7_200, 86_400):
        big = scripted(seconds, human)
        done = drive(planned(range_size(big.total, most=40_000, parallel=40)), big.asked, big.scrambled)
        assert done.ranges is not None
        assert len(done.ranges) <= 40
        largest.append(max(big.kept(part) for part in done.ranges))

    assert sum(users > 3 * 999 for users in largest) <= 1


def test_names_that_all_begin_alike_cost_more_round_trips_and_the_ranges_are_as_even() -> None:
    big = scripted(3_600, numbered)
    done = drive(planned(3_125), big.asked, big.sampled)

    assert done.ranges is not None
    assert done.levels <= 4
    assert max(big.kept(part) for part in done.ranges) <= 4 * 999


@hypothesis(max_examples=120, deadline=None)
@given(people, st.integers(1, 6), st.lists(st.integers(NOW - 3000 * DAY, NOW) | bursts, max_size=200))
def test_whatever_the_samples_say_every_user_is_kept_by_exactly_one_range(
    everyone: list[Person], size: int, times: list[int]
) -> None:
    done = drive(planned(size), exact(everyone), lambda _: times)

    assert done.ranges is not None
    assert_each_in_one(done.ranges, everyone)


def test_three_users_in_ranges_of_one_are_apart() -> None:
    everyone = [Person(NOW - days * DAY, f"u{days}@x") for days in (1, 40, 4000)]
    done = drive(planned(1), exact(everyone))

    assert done.ranges is not None
    assert_each_in_one(done.ranges, everyone)
    assert max(part.expected or 0 for part in done.ranges) == 1


# Big tenants with true counts.


def numbered(count: int) -> list[str]:
    return [f"user{number:05d}@contoso.com" for number in range(count)]


def human(count: int, seed: int = 1) -> list[str]:
    """first.last@...: beginnings as uneven as people's names are."""
    chance = random.Random(seed)
    weights = [9, 3, 5, 4, 4, 2, 3, 3, 2, 7, 4, 5, 8, 3, 1, 3, 1, 5, 7, 5, 1, 2, 2, 1, 1, 2]
    parts = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", weights, k=4)) for _ in range(400)]
    return [f"{chance.choice(parts)}.{chance.choice(parts)}{chance.randrange(100)}@contoso.com" for _ in range(count)]


def growing(count: int, seed: int = 1) -> list[int]:
    """Twelve years of growth, most of them lately, on working days' mornings."""
    chance = random.Random(seed)
    return [NOW - int(chance.expovariate(1 / 900) % 4400) * DAY - chance.randrange(8 * 3600) for _ in range(count)]


def tenant(times: list[int], names_: list[str], nulls: int = 0) -> Tenant:
    return Tenant(sorted(zip(times, names_[nulls:], strict=True)), sorted(names_[:nulls]))


def scripted(seconds: int, names_: Callable[[int], list[str]]) -> Tenant:
    """100,000 users, 2 % without createdDateTime, and 14 % created within so many seconds."""
    chance = random.Random(seconds)
    script = [NOW - 1900 * DAY + chance.randrange(seconds) for _ in range(14_000)]
    return tenant(script + growing(84_000), names_(100_000), nulls=2_000)


def burst(names_: Callable[[int], list[str]]) -> Tenant:
    moment = NOW - 400 * DAY
    return tenant([moment] * 50_000 + growing(20_000), names_(70_000))


def one_day() -> Tenant:
    chance = random.Random(1)
    return tenant([NOW - 30 * DAY + chance.randrange(DAY) for _ in range(200_000)], human(200_000))


def mostly_null() -> Tenant:
    return tenant(growing(20_000), human(200_000), nulls=180_000)


def million() -> Tenant:
    """A million: 300,000 of a synchronization in one day, 150,000 of a script in an hour, the rest grown."""
    chance = random.Random(1)
    times = [NOW - 2000 * DAY + chance.randrange(DAY) for _ in range(300_000)]
    times += [NOW - 100 * DAY + chance.randrange(3600) for _ in range(150_000)]
    times += growing(550_000)
    return tenant(times, ["user@contoso.com"] * 1_000_000)


def split(big: Tenant, size: int) -> Drive:
    done = drive(planned(size), big.asked)
    assert done.ranges is not None
    assert sum(big.kept(part) for part in done.ranges) == big.total
    times = [part for part in done.ranges if part.kind == "time"]
    borders = list(dict.fromkeys((part.low, part.high) for part in times))
    assert borders[0][0] is None
    assert borders[-1][1] is None
    assert all(one[1] == other[0] for one, other in itertools.pairwise(borders))
    return done


@pytest.mark.parametrize(
    ("make", "size", "ranges", "levels", "batches"),
    [
        (lambda: burst(numbered), 2_000, 42, 14, 37),
        (lambda: burst(human), 2_000, 42, 9, 37),
        (one_day, 4_000, 52, 4, 36),
        (mostly_null, 4_000, 62, 2, 28),
    ],
    ids=["burst-numbered", "burst-human", "one-day", "mostly-null"],
)
def test_with_true_counts_the_ranges_are_full_and_cost_few_round_trips(
    make: Callable[[], Tenant], size: int, ranges: int, levels: int, batches: int
) -> None:
    big = make()
    done = split(big, size)

    assert done.ranges is not None
    assert max(big.kept(part) for part in done.ranges) <= 2 * size
    assert len(done.ranges) <= ranges
    assert done.levels <= levels
    assert done.batches <= batches


@pytest.mark.parametrize(
    ("total", "size"),
    [
        (100, 1_800),
        (100_000, 3_632),  # 28 ranges of four pages instead of 32 of as many.
        (200_000, 6_357),
        (1_280_000, 40_000),
        (1_300_000, 20_888),
        (2_000_000, 31_786),
        (10**9, 100_000),
    ],
)
def test_ranges_are_about_as_many_as_are_read_at_once_or_a_multiple_with_full_pages(total: int, size: int) -> None:
    assert range_size(total, most=40_000, parallel=32) == size


def test_a_skewed_million_costs_few_requests_beside_its_pages_and_its_ranges_are_even() -> None:
    """Reading it takes 1,001 or more pages of 999."""
    big = million()
    size = range_size(big.total, most=40_000, parallel=32)
    done = split(big, size)

    assert done.ranges is not None
    assert size == 31_786
    assert done.batches <= 33
    assert done.levels <= 5
    assert len(done.ranges) <= 35  # 32 would be full to the last user.
    assert max(big.kept(part) for part in done.ranges) <= 1.1 * size
    assert all(part.expected == big.kept(part) for part in done.ranges)


@given(st.lists(st.integers(0, 30_000), max_size=60), st.integers(1, 40))
def test_lanes_share_all_ranges_once_and_take_about_equally_long(counts: list[int], lanes: int) -> None:
    ranges = [Range(kind="time", expected=count) for count in counts]
    shared = splitting.share(ranges, lanes)
    loads = [sum(counts[number] for number in numbers) for numbers in shared]

    assert sorted(number for numbers in shared for number in numbers) == list(range(len(counts)))
    assert len(shared) == min(lanes, len(counts))
    assert all(shared)
    assert max(loads, default=0) - min(loads, default=0) <= max(counts, default=0) + len(counts)


def test_ranges_that_nobody_counted_are_shared_out_as_well() -> None:
    assert splitting.share([Range(kind="all")] * 3, 2) == [[0, 2], [1]]


@pytest.mark.parametrize(("undated", "by_name"), [(1_600, False), (6_000, True)])
def test_a_few_pages_of_users_are_not_split_by_names_that_can_change(undated: int, by_name: bool) -> None:
    big = Tenant([(time, "user@contoso.com") for time in sorted(growing(18_000))], human(undated))
    done = drive(splitting.split(lambda _: 1_000, NOW, names_above=5_000), big.asked)

    assert done.ranges is not None
    assert sum(big.kept(part) for part in done.ranges) == big.total
    assert any(part.prefixes for part in done.ranges) is by_name


def test_bursts_in_seconds_that_follow_each_other_are_split_evenly() -> None:
    moment = NOW - 400 * DAY
    big = tenant([moment + at // 30_000 for at in range(90_000)] + growing(20_000), human(110_000))
    done = split(big, 2_000)

    assert done.ranges is not None
    assert max(big.kept(part) for part in done.ranges) <= 4_000


@pytest.mark.parametrize("ignored", ["time", "null"])
def test_when_graph_ignores_a_filter_the_planner_gives_up_instead_of_asking_for_ever(ignored: str) -> None:
    done = drive(planned(4_000), lambda part: 100_000 if part.kind in {"all", ignored} else 0)

    assert done.probes < 500
