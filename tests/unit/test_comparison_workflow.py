"""The orchestrator of a comparison, turn by turn: what it asks for, and how it ends."""

from typing import Any

import pytest

from shared.compare.workflow import COMPARE
from tests.durable_host import Host

STAGED = [0, 0, "x", 1, 0, 2, 10, 0, {}]


def begun(**prepared: Any) -> Host:
    host = Host(COMPARE, {"id": "a"})
    end(host, "prepare_comparison", {"parts": 5, "lanes": 2, "rows": 20, **prepared})
    return host


def end(host: Host, name: str, *results: Any) -> None:
    numbers = host.named(name)
    assert len(numbers) == len(results), (name, numbers)
    for number, result in zip(numbers, results, strict=True):
        host.complete(number, result)


def split(host: Host, **more: Any) -> None:
    end(host, "split", {"execution": "o", "rows": 9}, {"execution": "n", "rows": 11, **more})
    end(host, "list_deleted", {"execution": "d", "requests": 3})


def published(host: Host, status: str) -> Any:
    (number,) = host.named("publish_comparison")
    task = host.asked(number)
    host.complete(number, {"status": status, "notify": False})
    end(host, "clean", {})
    assert host.done
    assert host.output == {"status": status}
    return task


def test_both_are_split_side_by_side_then_compared_in_lanes_and_published() -> None:
    host = begun(warnings=[{"code": "w", "reason": "w"}])
    assert host.status == {"expected": 20, "ranges": 7}
    assert [host.asked(number)["export"] for number in host.named("split")] == ["old", "new"]
    split(host)
    asked = [host.asked(number) for number in host.named("compare")]
    assert [each["parts"] for each in asked] == [[0, 2, 4], [1, 3]]
    assert {(each["old"], each["new"], each["deleted"]) for each in asked} == {("o", "n", "d")}
    lane = {"staged": [STAGED], "old": 4, "new": 5, "added": 2, "removed": 1, "by_column": {"city": 1}, "requests": 1}
    end(host, "compare", lane, lane)
    task = published(host, "Completed")
    assert (task["split"], task["old"], task["new"], task["added"], task["removed"]) == ([9, 11], 8, 10, 4, 2)
    assert (task["by_column"], task["requests"], len(task["staged"])) == ({"city": 2}, 5, 2)
    assert "failed" not in task


@pytest.mark.parametrize("step", ["prepare_comparison", "split", "list_deleted", "compare"])
def test_a_step_that_fails_each_time_ends_in_results_that_say_so(step: str) -> None:
    host = Host(COMPARE, {"id": "a"})
    if step != "prepare_comparison":
        end(host, "prepare_comparison", {"parts": 1, "lanes": 1, "rows": 2})
    if step == "split":
        end(host, "list_deleted", {})
        host.complete(host.named("split")[0], {"execution": "o"})
    if step == "list_deleted":
        end(host, "split", {"execution": "o"}, {"execution": "n"})
    if step == "compare":
        split(host)
    host.fail_for_good(step, "it broke")
    task = published(host, "Failed")
    assert task["failed"]["code"] == "ActivityFailed"
    assert "it broke" in task["failed"]["reason"]


def test_what_one_split_says_ends_it_before_anything_is_compared() -> None:
    host = begun()
    split(host, failed={"code": "FileChanged", "reason": "It changed."})
    assert host.named("compare") == []
    assert published(host, "Failed")["failed"]["code"] == "FileChanged"
    host = begun()
    split(host, cancelled=True)
    assert published(host, "Cancelled")["cancelled"] is True


@pytest.mark.parametrize("answer", [None, 5, {}, {"parts": 0}, {"parts": 2, "lanes": 3}, {"parts": "x"}])
def test_a_plan_that_fits_nothing_is_a_failure(answer: Any) -> None:
    host = Host(COMPARE, {"id": "a"})
    end(host, "prepare_comparison", answer)
    assert published(host, "Failed")["failed"]["code"] == "ActivityFailed"


def test_a_late_start_only_cleans() -> None:
    host = Host(COMPARE, {"id": "a"})
    end(host, "prepare_comparison", {"over": True})
    end(host, "clean", {})
    assert host.output == {"status": "Over"}


def test_without_results_the_files_are_removed() -> None:
    host = begun()
    split(host)
    end(host, "compare", {}, {})
    host.fail_for_good("publish_comparison", "no storage")
    (number,) = host.named("clean")
    assert host.asked(number)["unpublish"]
    host.complete(number, {})
    assert host.output["status"] == "Failed"
