"""The orchestrator, driven by the SDK's own replay: lanes side by side, and whatever goes wrong ends in results."""

import json
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.export.rounds import ATTEMPTS, CANCEL, MAX_PASSES
from shared.export.workflow import EXPORT
from tests.durable_host import Host

PLANNED = {"ranges": 5, "expected": 50, "found": [], "warnings": [], "requests": 3, "retries": 1, "check": []}
BROKEN = {"code": "RepeatedLink", "reason": "Twice the same."}


def part(number: int, segment: int = 0, rows: int = 10) -> list[Any]:
    return [number, segment, f"{number:012d}", 1, 0, rows, rows * 9, 0, {}]


def done(*numbers: int, segment: int = 0, rows: int = 10, **more: Any) -> dict[str, Any]:
    """What `export` returns when it has read these ranges."""
    parts = [part(number, segment, rows) for number in numbers]
    return {"parts": parts, "requests": 2 * len(numbers), "retries": 0, "restarts": 0, **more}


def started(**planned: Any) -> Host:
    """An export whose plan is there: its lanes are open."""
    host = Host(EXPORT, {"id": "e"})
    (plan,) = host.named("plan")
    assert host.asked(plan) == {"id": "e"}
    lanes = planned.get("lanes", [[0, 3], [1, 4], [2]])
    host.complete(plan, PLANNED | {"lanes": lanes, "ranges": sum(map(len, lanes))} | planned)
    return host


def end_lanes(host: Host) -> None:
    """All open lanes read all of their ranges."""
    for number in host.named("export"):
        asked = host.asked(number)
        host.complete(number, done(*asked["ranges"], segment=asked["segment"]))


def published(host: Host) -> dict[str, Any]:
    """What `publish` is asked for; it ends the export, but for the cleaning up."""
    (publish,) = host.named("publish")
    task: dict[str, Any] = host.asked(publish)
    host.complete(publish, {"status": "Completed", "notify": False})
    (clean,) = host.named("clean")
    assert host.asked(clean) == {"id": "e"}
    host.complete(clean, {})
    assert host.done
    assert host.output == {"status": "Completed"}
    return task


# The export.


def test_all_lanes_run_side_by_side_and_nothing_else_does() -> None:
    host = started()

    assert [host.asked(number) for number in host.named("export")] == [
        {"id": "e", "segment": 0, "ranges": [0, 3]},
        {"id": "e", "segment": 0, "ranges": [1, 4]},
        {"id": "e", "segment": 0, "ranges": [2]},
    ]
    assert len(host.open) == 3
    assert host.status == {"expected": 50, "ranges": 5}


@settings(max_examples=25)
@given(st.permutations(range(3)))
def test_whatever_lane_ends_first_publish_gets_the_parts_of_all_once(order: list[int]) -> None:
    host = started()
    lanes = host.named("export")
    for at in order:
        assert not host.named("publish")
        host.complete(lanes[at], done(*host.asked(lanes[at])["ranges"]))
    task = published(host)

    assert sorted(task["parts"]) == [part(number) for number in range(5)]
    assert (task["requests"], task["retries"], task["restarts"]) == (3 + 10, 1, 0)
    assert (task["ranges"], task["expected"], task["id"]) == (5, 50, "e")
    assert "failed" not in task
    assert "cancelled" not in task


def test_warnings_and_errors_of_the_plan_reach_publish() -> None:
    host = started(lanes=[], warnings=[{"code": "OneChain"}], found=[{"code": "Denied"}])
    task = published(host)

    assert task["warnings"] == [{"code": "OneChain"}]
    assert task["found"] == [{"code": "Denied"}]


def test_a_plan_that_can_not_be_made_is_published_as_a_failure() -> None:
    host = Host(EXPORT, {"id": "e"})
    host.complete(host.named("plan")[0], {"failed": {"code": "Authorization_RequestDenied", "reason": "No."}})
    task = published(host)

    assert task["failed"] == {"code": "Authorization_RequestDenied", "reason": "No."}
    assert task["parts"] == []


def test_a_plan_that_keeps_crashing_is_published_as_a_failure_with_its_text() -> None:
    host = Host(EXPORT, {"id": "e"})
    host.fail_for_good("plan", "Storage is\n down")

    failed = published(host)["failed"]
    assert failed["code"] == "ActivityFailed"
    assert "Storage is down" in failed["reason"]


def test_a_plan_that_was_cancelled_is_published_as_cancelled() -> None:
    host = Host(EXPORT, {"id": "e"})
    host.complete(host.named("plan")[0], {"cancelled": True})

    assert published(host)["cancelled"] is True


def test_a_failed_lane_fails_the_export_without_waiting_for_the_others() -> None:
    host = started()
    host.complete(host.named("export")[1], done(1, failed={"range": 4, **BROKEN}))

    assert len(host.named("export")) == 2
    task = published(host)
    assert task["failed"] == {"range": 4, **BROKEN}
    assert task["parts"] == [part(1)]


@pytest.mark.parametrize("ended", [0, 1, 2])
def test_a_cancelled_export_is_published_at_once_whatever_has_ended(ended: int) -> None:
    host = started()
    for number in host.named("export")[:ended]:
        host.complete(number, done(*host.asked(number)["ranges"]))
    host.raise_event(CANCEL)
    task = published(host)

    assert task["cancelled"] is True
    assert "failed" not in task


def test_a_lane_that_sees_it_first_tells_that_the_export_is_cancelled() -> None:
    host = started()
    host.complete(host.named("export")[0], {"cancelled": True})

    assert published(host)["cancelled"] is True


def test_a_start_of_what_has_ended_before_is_cleaned_up_and_nothing_else() -> None:
    host = Host(EXPORT, {"id": "e"})
    host.complete(host.named("plan")[0], {"over": True})
    (clean,) = host.named("clean")
    assert host.asked(clean) == {"id": "e"}
    assert len(host.open) == 1
    host.complete(clean, {})
    assert host.output == {"status": "Over"}


# So the SDK calls an event that nobody waits for yet; it keeps it.
def test_a_cancel_that_comes_while_the_plan_is_made_counts_too() -> None:
    host = Host(EXPORT, {"id": "e"})
    host.raise_event(CANCEL)
    host.complete(host.named("plan")[0], PLANNED | {"lanes": [[0], [1]], "ranges": 2})
    if not host.named("publish"):
        host.complete(host.named("export")[0], done(0))

    assert published(host)["cancelled"] is True


def published_with_callback() -> Host:
    host = started(lanes=[[0]], warnings=[{"code": "OneChain"}])
    host.complete(host.named("export")[0], done(0))
    host.complete(host.named("publish")[0], {"status": "Completed", "notify": True})
    return host


def test_the_callers_callback_is_told_once_and_what_only_a_running_export_needs_is_removed_after_that() -> None:
    host = published_with_callback()
    assert not host.named("clean")
    (notify,) = host.named("notify")
    assert host.asked(notify) == {"id": "e"}
    host.complete(notify, {})
    assert not host.named("publish")
    host.complete(host.named("clean")[0], {})

    assert host.output == {"status": "Completed"}


def test_a_callback_that_is_not_there_is_a_warning_in_the_results_and_no_failure() -> None:
    warning = {"code": "CallbackFailed", "reason": "404"}
    host = published_with_callback()
    host.complete(host.named("notify")[0], {"warning": warning})
    (publish,) = host.named("publish")
    assert host.asked(publish)["warnings"] == [{"code": "OneChain"}, warning]
    assert host.asked(publish)["parts"] == [part(0)]
    host.complete(publish, {"status": "Completed", "notify": True})
    assert not host.named("notify")
    host.complete(host.named("clean")[0], {})

    assert host.output == {"status": "Completed"}


def test_results_that_can_not_be_written_leave_no_file_and_nothing_that_runs() -> None:
    host = started(lanes=[[0]])
    host.complete(host.named("export")[0], done(0))
    host.fail_for_good("publish", "no storage")
    (clean,) = host.named("clean")
    assert host.asked(clean) == {"id": "e", "unpublish": True}
    host.complete(clean, {})
    reason = "The step publish failed each time it was tried: no storage."
    assert host.output == {"status": "Failed", "failed": {"code": "ActivityFailed", "reason": reason}}


def test_a_callback_that_crashes_is_a_warning_too() -> None:
    host = published_with_callback()
    host.fail_for_good("notify", "no route")

    assert host.asked(host.named("publish")[0])["warnings"][1]["code"] == "CallbackFailed"


# Ranges by name: users can be renamed while they are read.


def test_where_nobody_was_renamed_the_check_is_the_last_step() -> None:
    host = started(check=[0, 1, 2, 3, 4])
    end_lanes(host)
    (check,) = host.named("check")
    assert host.asked(check)["reading"] == 0
    assert sorted(host.asked(check)["parts"]) == [part(number) for number in range(5)]
    host.complete(check, {"again": [], "requests": 4, "retries": 0})

    assert len(published(host)["parts"]) == 5


def test_ranges_that_renames_have_touched_are_read_again_and_their_first_parts_do_not_count() -> None:
    host = started(check=[0, 1, 2, 3, 4])
    end_lanes(host)
    host.complete(host.named("check")[0], {"again": [1, 4], "requests": 4, "retries": 0})

    again = [host.asked(number)["ranges"] for number in host.named("export")]
    assert sorted(number for ranges in again for number in ranges) == [1, 4]
    for number in host.named("export"):
        (at,) = host.asked(number)["ranges"]
        host.complete(number, done() | {"parts": [part(at, rows=7)]})
    host.complete(host.named("check")[0], {"again": [], "requests": 4, "retries": 0})
    task = published(host)

    assert sorted(task["parts"]) == [part(0), part(1, rows=7), part(2), part(3), part(4, rows=7)]
    assert task["restarts"] == 2


def test_more_ranges_than_lanes_are_shared_out_again() -> None:
    host = started(check=[0, 1, 2, 3, 4], ranges=5, lanes=[[0, 1, 2], [3, 4]])
    end_lanes(host)
    host.complete(host.named("check")[0], {"again": [0, 1, 2, 4], "requests": 4, "retries": 0})

    again = [host.asked(number)["ranges"] for number in host.named("export")]
    assert len(again) == 2
    assert sorted(number for ranges in again for number in ranges) == [0, 1, 2, 4]


def test_renames_without_end_fail_the_export() -> None:
    host = started(check=[0, 1, 2, 3, 4])
    readings = 0
    while not host.named("publish"):
        end_lanes(host)
        if host.named("check"):
            readings += 1
            host.complete(host.named("check")[0], {"again": [2], "requests": 1, "retries": 0})
        elif not host.named("publish") and not host.named("export"):
            host.fire()

    assert readings == MAX_PASSES
    assert published(host)["failed"]["code"] == "RenamedMeanwhile"


def test_a_check_that_fails_or_crashes_fails_the_export() -> None:
    host = started(check=[0, 1, 2, 3, 4])
    end_lanes(host)
    host.complete(host.named("check")[0], {"failed": BROKEN})
    assert published(host)["failed"] == BROKEN

    host = started(check=[0, 1, 2, 3, 4])
    end_lanes(host)
    for _ in range(ATTEMPTS - 1):
        host.fail(host.named("check")[0], "gone")
        host.fire()
    host.fail(host.named("check")[0], "gone")
    assert published(host)["failed"]["code"] == "ActivityFailed"


def test_the_check_does_not_wait_for_ranges_that_renames_can_not_touch() -> None:
    host = started(check=[4])
    first, second, third = host.named("export")
    host.complete(third, done(2))
    assert not host.named("check")
    host.complete(second, done(4, left={"ranges": [1], "restarts": 0}))
    (check,) = host.named("check")
    assert host.asked(check) == {"id": "e", "reading": 0, "parts": [part(4)]}
    host.complete(first, done(0, 3))
    host.complete(check, {"again": [4], "requests": 2, "retries": 0})
    assert answer(host, done(1, segment=1))["ranges"] == [1]
    assert answer(host, done(4, rows=7))["ranges"] == [4]
    host.complete(host.named("check")[0], {"again": [], "requests": 2, "retries": 0})
    task = published(host)

    assert sorted(task["parts"]) == [part(0), part(1, 1), part(2), part(3), part(4, rows=7)]
    assert task["restarts"] == 1


def test_a_cancel_during_the_check_counts_when_that_has_ended() -> None:
    host = started(lanes=[[0]], check=[0])
    end_lanes(host)
    host.raise_event(CANCEL)
    if host.named("check"):
        host.complete(host.named("check")[0], {"cancelled": True})

    assert published(host)["cancelled"] is True


# Rounds: what takes longer than one activity may.


def answer(host: Host, result: Any) -> dict[str, Any]:
    """Ends the one open lane, and gives what it was asked for."""
    (number,) = host.named("export")
    asked: dict[str, Any] = host.asked(number)
    host.complete(number, result)
    return asked


def test_what_lanes_leave_is_read_in_a_next_round_when_all_have_ended() -> None:
    host = started()
    first, second, third = host.named("export")
    host.complete(first, done(0, left={"ranges": [3], "restarts": 0}))
    host.complete(third, done(2))
    assert host.named("export") == [second]
    host.complete(second, done(1, left={"ranges": [1, 4], "restarts": 1, "state": "chain"}))

    assert [host.asked(number) for number in host.named("export")] == [
        {"id": "e", "segment": 1, "ranges": [3]},
        {"id": "e", "segment": 1, "ranges": [1, 4], "restarts": 1, "state": "chain"},
    ]
    end_lanes(host)
    assert sorted(published(host)["parts"]) == [part(0), part(1), part(1, 1), part(2), part(3, 1), part(4, 1)]


def test_a_range_that_takes_long_goes_on_from_where_it_was() -> None:
    host = started(lanes=[[7]])
    answer(host, done(7, left={"ranges": [7], "restarts": 0, "state": "first"}))
    assert answer(host, done(7, segment=1, left={"ranges": [7], "restarts": 0, "state": "second"}))["state"] == "first"
    assert answer(host, done(7, segment=2))["state"] == "second"

    assert published(host)["parts"] == [part(7, 0), part(7, 1), part(7, 2)]


def test_of_a_range_that_was_begun_again_the_parts_before_do_not_count() -> None:
    host = started(lanes=[[5, 7]])
    answer(host, done(5, 7, left={"ranges": [7], "restarts": 0, "state": "first"}))
    answer(host, done(7, segment=1, restarts=1, void=7))
    task = published(host)

    assert task["parts"] == [part(5), part(7, 1)]
    assert task["restarts"] == 1


def test_in_a_later_round_an_event_counts_as_soon_as_a_lane_has_ended() -> None:
    host = started(lanes=[[0, 1], [2]])
    first, second = host.named("export")
    host.complete(first, done(0, left={"ranges": [1], "restarts": 0}))
    host.complete(second, done(2, left={"ranges": [2], "restarts": 0, "state": "x"}))
    host.raise_event(CANCEL)
    assert not host.named("publish")
    host.complete(host.named("export")[0], {"cancelled": True})

    assert published(host)["cancelled"] is True


def test_a_lane_that_crashes_is_asked_for_again_after_a_pause() -> None:
    host = started(lanes=[[7, 8], [9]])
    first, second = host.named("export")
    host.fail(first, "restarted")
    host.complete(second, done(9))
    assert not host.named("export")
    host.fire()
    assert answer(host, done(7, 8)) == {"id": "e", "segment": 1, "ranges": [7, 8]}

    assert sorted(published(host)["parts"]) == [part(7), part(8), part(9)]


def test_a_lane_that_keeps_crashing_fails_the_export_with_the_text() -> None:
    host = started(lanes=[[7, 8]])
    for _ in range(ATTEMPTS - 1):
        host.fail(host.named("export")[0], "once")
        host.fire()
    host.fail(host.named("export")[0], "Graph is\n down")

    failed = published(host)["failed"]
    assert (failed["code"], failed["range"]) == ("ActivityFailed", 7)
    assert "Graph is down" in failed["reason"]


def test_a_lane_that_goes_on_has_all_its_attempts_again() -> None:
    host = started(lanes=[[7, 8]])
    for at in range(3):
        for _ in range(ATTEMPTS - 1):
            host.fail(host.named("export")[0], "once")
            host.fire()
        asked = answer(host, done(7, left={"ranges": [7, 8], "restarts": 0, "state": str(at)}))
    assert asked["state"] == "1"
    answer(host, done(7, 8))

    assert "failed" not in published(host)


def test_without_ranges_there_is_nothing_to_read() -> None:
    assert published(started(lanes=[]))["parts"] == []


@settings(max_examples=40)
@given(st.lists(st.integers(1, 4), max_size=4), st.integers(0, 999))
def test_whatever_happens_to_its_lanes_an_export_publishes_each_range_whole(sizes: list[int], seed: int) -> None:
    chance = random.Random(seed)
    numbers = iter(range(sum(sizes)))
    lanes = [[next(numbers) for _ in range(size)] for size in sizes]
    touched = [number for lane in lanes for number in lane if chance.random() < 0.3]
    host = started(lanes=lanes, check=touched)
    staged: dict[int, list[Any]] = defaultdict(list)
    states: dict[int, str] = {}
    while not host.named("publish"):
        open_ = host.named("export") + host.named("check")
        if not open_:
            host.fire()
            continue
        number = chance.choice(open_)
        task = host.asked(number)
        if "reading" in task:
            assert task["parts"] == [each for each in task["parts"] if each[0] in touched]
            assert sorted(task["parts"]) == sorted(each for at in touched for each in staged[at])
            if chance.random() < 0.2:
                host.fail(number, "crashed")
            else:
                host.complete(number, {"again": [], "requests": 1, "retries": 0})
            continue
        ranges, result = task["ranges"], done()
        assert task.get("state", "") == states.get(ranges[0], "")
        if chance.random() < 0.1:
            host.fail(number, "crashed")
            continue
        if task.get("state") and chance.random() < 0.3:
            result["void"] = ranges[0]
            staged[ranges[0]] = []
        for at in ranges[: chance.randint(1, len(ranges))]:
            result["parts"].append(part(at, task["segment"]))
            staged[at].append(part(at, task["segment"]))
        left = ranges[len(result["parts"]) :]
        if chance.random() < 0.3:
            left = ranges[len(result["parts"]) - 1 :]
            states[left[0]] = f"{left[0]}-{task['segment']}"
            result["left"] = {"ranges": left, "restarts": 0, "state": states[left[0]]}
        elif left:
            result["left"] = {"ranges": left, "restarts": 0}
        host.complete(number, result)

    assert sorted(published(host)["parts"]) == sorted(each for parts in staged.values() for each in parts)
    assert set(staged) == {number for lane in lanes for number in lane}


# Durable puts messages of up to 45 KiB into a queue; what is larger it keeps in a blob, which costs time.

MESSAGE = 45 * 1024


def realistic(number: int) -> list[Any]:
    """A range of 40,000 users: a dozen megabytes in three blocks."""
    return [number, 0, "a1b2c3d4e5f6", 3, 1, 40_000, 12_345_678, 123]


@pytest.mark.parametrize(("ranges", "large"), [(250, False), (2_000, True)], ids=["10 million users", "2,000 ranges"])
def test_what_goes_through_durable_is_small_but_for_the_one_list_of_all_parts(ranges: int, large: bool) -> None:
    lanes = [list(range(lane, ranges, 32)) for lane in range(32)]
    host = started(ranges=ranges, expected=ranges * 40_000, lanes=lanes, check=list(range(ranges)))
    sizes: dict[str, int] = {"plan": len(json.dumps(PLANNED | {"lanes": lanes, "check": list(range(ranges))}))}

    def measure(name: str, given: Any) -> None:
        sizes[name] = max(sizes.get(name, 0), len(json.dumps(given)))

    for lane in host.named("export"):
        task = host.asked(lane)
        measure("lane in", task)
        output = {"parts": [realistic(number) for number in task["ranges"]], "requests": 99_999, "retries": 9_999}
        left = {"ranges": [99_999], "restarts": 5, "state": "chain-0099999-00000-a1b2c3d4e5f6"}
        measure("lane out", output | {"left": left})
        host.complete(lane, output)
    measure("check", host.asked(host.named("check")[0]))
    host.complete(host.named("check")[0], {"again": [], "requests": 99, "retries": 0})
    measure("publish", host.asked(host.named("publish")[0]))

    assert max(sizes["lane in"], sizes["lane out"]) < MESSAGE / 4
    assert sizes["plan"] < MESSAGE / 2
    assert (max(sizes["check"], sizes["publish"]) > MESSAGE) is large
    assert max(sizes["check"], sizes["publish"]) < 3 * MESSAGE


# Whatever an activity returns: an exception in the orchestrator would end the export without results.

ANSWERS: dict[str, Any] = {
    "plan": PLANNED | {"lanes": [[0], [1]], "ranges": 2, "check": [0]},
    "check": {"again": [], "requests": 1, "retries": 0},
    "publish": {"status": "Completed", "notify": True},
    "notify": {},
    "clean": {},
}
ODD: dict[str, list[Any]] = {
    "plan": [
        {},
        {"ranges": 5},
        {"ranges": 2, "lanes": [[0]]},
        {"ranges": 2, "lanes": [[0], [0]]},
        {"ranges": 1, "lanes": [[0], []]},
        {"ranges": 1, "lanes": [[0]], "check": [7]},
        {"ranges": 1, "lanes": [[0]], "requests": "7"},
    ],
    "export": [
        {},
        {"parts": [[0]]},
        {"parts": [part(0), part(0)]},
        {"parts": [part(8)]},
        {"parts": [part(0), part(1)], "void": 8},
        {"left": {"ranges": [9]}},
        {"left": {"ranges": [0, 0]}},
        {"left": 7},
    ],
    "check": [{"again": [9]}, {"again": 0}, {"again": ["0"]}],
    "publish": [{}, {"notify": True}, {"status": 1, "notify": False}],
    "notify": [{"warning": "text"}],
    "clean": [],
}
ANY: list[Any] = [None, [], "odd", 7, {"failed": "no"}, {"failed": {"code": 1}}, {"cancelled": "maybe"}]


def end(host: Host, step: str, odd: Any) -> list[tuple[str, Any]]:
    """Runs it to its end, with this result of that step; what was asked for."""
    asked = []
    while not host.done:
        names = [name for name in (*ANSWERS, "export") if host.named(name)]
        if not names:
            host.fire()
            continue
        (number, *_) = host.named(names[0])
        asked.append((names[0], host.asked(number)))
        answer = ANSWERS[names[0]] if names[0] != "export" else done(*asked[-1][1]["ranges"])
        host.complete(number, odd if names[0] == step else answer)
    return asked


@pytest.mark.parametrize(
    ("step", "odd"), [(step, odd) for step in ("plan", "export", "check") for odd in [*ANY, *ODD[step]]], ids=json.dumps
)
def test_what_a_step_returns_and_nobody_can_read_is_published_as_a_failure(step: str, odd: Any) -> None:
    asked = dict(end(Host(EXPORT, {"id": "e"}), step, odd))

    assert asked["publish"]["failed"]["code"] == "ActivityFailed"
    assert asked["publish"]["failed"]["reason"].startswith(f"The step {step} returned what this version")


@pytest.mark.parametrize("odd", [*ANY, *ODD["publish"]], ids=json.dumps)
def test_an_export_whose_publish_nobody_can_read_leaves_no_file_and_says_why(odd: Any) -> None:
    host = Host(EXPORT, {"id": "e"})
    asked = end(host, "publish", odd)

    assert asked[-1] == ("clean", {"id": "e", "unpublish": True})
    assert host.output["failed"]["reason"].startswith("The step publish returned what this version")


@pytest.mark.parametrize("odd", [*ANY[:4], *ODD["notify"]], ids=json.dumps)
def test_a_notify_that_nobody_can_read_is_a_warning(odd: Any) -> None:
    host = Host(EXPORT, {"id": "e"})
    asked = end(host, "notify", odd)

    (warning,) = [task["warnings"] for name, task in asked if name == "publish"][1]
    assert warning["code"] == "CallbackFailed"
    assert host.output == {"status": "Completed"}


def test_what_can_not_be_cleaned_up_does_not_change_how_the_export_ended() -> None:
    host = started(lanes=[[0]])
    end_lanes(host)
    host.complete(host.named("publish")[0], {"status": "Completed", "notify": False})
    host.fail_for_good("clean", "no storage")

    assert host.output == {"status": "Completed"}


@pytest.mark.parametrize("given", [None, 7, [], {}, "odd"])
def test_without_an_input_that_can_be_read_the_instances_id_is_the_exports(given: Any) -> None:
    host = Host(EXPORT, given)

    assert host.asked(host.named("plan")[0]) == {"id": "i"}


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PLANNED, "left", "parts"]), inner),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.sampled_from([*ANSWERS, "export"]), _json)
def test_whatever_a_step_returns_the_export_ends(step: str, odd: Any) -> None:
    host = Host(EXPORT, {"id": "e"})
    end(host, step, odd)

    assert host.output["status"] in {"Completed", "Failed"}


@pytest.mark.parametrize("text", ["no JSON", "", '{"__class__": "Path", "__module__": "pathlib"}', "{"])
def test_a_history_whose_result_is_no_json_is_published_as_a_failure(text: str) -> None:
    host = Host(EXPORT, {"id": "e"})
    host.complete_with(host.named("plan")[0], text)

    assert host.asked(host.named("publish")[0])["failed"]["code"] == "ActivityFailed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Activity function 'plan' failed:  OSError: no route", "OSError: no route."),
        ("Activity function 'plan' failed:  OSError: two\nlines", "OSError: two lines."),
        ("Activity function 'plan' failed:  Transient: TooManyRequests: Slow down.", "TooManyRequests: Slow down."),
        (
            "Result: Failure\nException: KeyError: 'x'\nStack:   File \"/home/site/plan.py\", line 1, in plan",
            "KeyError: 'x'.",
        ),
        (
            "Activity function 'plan' failed: OSError: x\nTraceback (most recent call last):\n  File \"/a\"",
            "OSError: x.",
        ),
        ("OSError: GET https://a.example/b?sig=secret failed", "OSError: GET https://a.example/b failed."),
        ("", "it gave no reason."),
    ],
)
def test_what_an_activity_raised_becomes_one_sentence_for_a_person(text: str, said: str) -> None:
    details = '{"$type":"System.Exception, System.Private.CoreLib","StackTraceString":"   at App.Call(String path)"}'
    host = Host(EXPORT, {"id": "e"})
    host.fail_for_good("plan", text, details)

    failed = host.asked(host.named("publish")[0])["failed"]
    assert failed["reason"] == f"The step plan failed each time it was tried: {said}"


# The registration report.


def test_the_report_is_read_to_its_end_before_the_users_and_goes_on_where_it_was() -> None:
    host = started(report=True)
    assert host.named("export") == []
    (first,) = host.named("report")
    assert host.asked(first) == {"id": "e"}
    host.complete(first, {"state": "state-1", "requests": 24})
    (second,) = host.named("report")
    assert host.asked(second) == {"id": "e", "state": "state-1"}
    host.complete(second, {"found": [{"code": "c", "reason": "Why."}], "requests": 3})
    end_lanes(host)
    task = published(host)
    assert task["found"] == [{"code": "c", "reason": "Why."}]
    assert task["requests"] == 3 + 27 + 10


def test_without_the_report_the_users_are_exported_and_the_results_say_why() -> None:
    host = started(report=True)
    host.fail_for_good("report", "no route")
    end_lanes(host)
    (error,) = published(host)["found"]
    assert (error["code"], "no route" in error["reason"]) == ("ActivityFailed", True)


def test_a_cancel_while_the_report_is_read_ends_the_export() -> None:
    host = started(report=True)
    (report,) = host.named("report")
    host.complete(report, {"cancelled": True})
    assert host.named("export") == []
    (publish,) = host.named("publish")
    assert host.asked(publish)["cancelled"] is True
