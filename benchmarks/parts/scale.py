"""From small to large tenants without latency: time, memory, requests and Durable's history."""

from dataclasses import dataclass

from benchmarks import export, truth
from benchmarks.effort import Effort
from benchmarks.export import Exported
from benchmarks.figures import Spread, exponent, line, mebibytes, number, shown, spread, times
from benchmarks.peers.query import TOP
from benchmarks.section import Section, Step, Target

MOST = 1_000_000
"""The goals for memory are for tenants of at most so many users."""
LARGE, SMALL = 500_000, 10_000
"""From so many users on one repeat less is enough: what disturbs is small beside the whole. Up to so few it is not."""


@dataclass(frozen=True, slots=True)
class Size:
    """A tenant of so many users: seconds, peak memory of our largest process, and the last export."""

    users: int
    seconds: Spread
    rss: int
    last: Exported


def steps(effort: Effort) -> int:
    return sum(1 + _repeats(effort, users) for users in (effort.smallest, *effort.scale))


def _repeats(effort: Effort, users: int) -> int:
    if users >= LARGE:
        return max(1, effort.repeats - 1)
    return 3 * effort.repeats if users <= SMALL else effort.repeats


def run(effort: Effort, step: Step) -> Section:
    return _section(_size(effort, effort.smallest, step), [_size(effort, users, step) for users in effort.scale])


def _size(effort: Effort, users: int, step: Step) -> Size:
    with export.serving("--users", str(users)) as on:
        ids = truth.ids(on.graph)
        step(f"{users:,} users, once uncounted")
        runs = [export.export(on, ids)]
        for _ in range(_repeats(effort, users)):
            step(f"{users:,} users")
            runs.append(export.export(on, ids))
    return Size(users, spread([each.seconds for each in runs[1:]]), max(each.own_rss for each in runs), runs[-1])


def _section(smallest: Size, sizes: list[Size]) -> Section:
    users = [each.users for each in sizes]
    seconds = [each.seconds.median for each in sizes]
    power, late = exponent(users, seconds), exponent(users[-2:], seconds[-2:])
    # What every export takes, however few its users are, hides how the rest grows.
    beyond = exponent(users, [each - smallest.seconds.median for each in seconds])
    slope, fixed = line(users, [each.last.counts["requests"] for each in sizes])
    usual = [each for each in sizes if each.users <= MOST][-1]
    growth = usual.rss / sizes[0].rss
    largest = sizes[-1].last
    events = largest.events / largest.counts["ranges"]
    return Section(
        name="scale",
        title="Scale: no latency",
        columns=[
            "users",
            "time",
            "users/s",
            "peak memory",
            "requests",
            "ranges",
            "history events",
            "for a range",
            "turns",
        ],
        rows=[
            [
                f"{each.users:,}",
                shown(each.seconds, "s"),
                number(each.users / each.seconds.median),
                mebibytes(each.rss),
                f"{each.last.counts['requests']:,}",
                f"{each.last.counts['ranges']:,}",
                f"{each.last.events:,}",
                number(each.last.events / each.last.counts["ranges"]),
                f"{each.last.turns:,}",
            ]
            for each in [smallest, *sizes]
        ],
        notes=[
            "Peak memory: of the largest of our processes, since its start. History: the start, the plan and the end of"
            " an export are most of its events where there are few ranges.",
        ],
        targets=[
            Target("time grows with users to the power of", "at most 1.1", number(power), power <= 1.1),
            Target(
                f"... what is beyond an export of {smallest.users:,}",
                "0.9 to 1.1",
                number(beyond),
                abs(beyond - 1) <= 0.1,
            ),
            Target("... between the two largest", "0.9 to 1.1", number(late), abs(late - 1) <= 0.1),
            Target(f"memory, {usual.users:,} against {sizes[0].users:,}", "at most 1.2x", times(growth), growth <= 1.2),
            Target("peak memory", "below 200 MiB", mebibytes(sizes[-1].rss), sizes[-1].rss < 200 * 2**20),
            Target(
                f"requests for {TOP} users, beside {fixed:,.0f} fixed",
                "at most 1.05",
                number(slope * TOP),
                slope * TOP <= 1.05,
            ),
            Target("history events for a range, largest tenant", "below 6", number(events), events < 6),
        ],
        data={
            "sizes": [
                {
                    "users": each.users,
                    "seconds": each.seconds.median,
                    "low": each.seconds.low,
                    "high": each.seconds.high,
                    "rss": each.rss,
                    "requests": each.last.counts["requests"],
                    "ranges": each.last.counts["ranges"],
                    "events": each.last.events,
                    "turns": each.last.turns,
                }
                for each in sizes
            ],
            "exponent": power,
            "exponentBeyond": beyond,
            "smallest": {"users": smallest.users, "seconds": smallest.seconds.median},
        },
    )
