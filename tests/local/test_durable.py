"""Orchestrations of the toy app, run by real processes."""

import os
import signal
import time
from pathlib import Path

import pytest

from local import serve
from tests.local.toy_host import ARGUMENTS, Host


def test_fan_out_of_many_activities_is_quick_and_complete(host: Host) -> None:
    begin = host.cpu_seconds()

    assert host.run("fan_out", {"count": 300}) == sum(range(300)) * 2
    assert host.cpu_seconds() - begin < 10


def test_task_any_over_everything_sees_each_result_once(host: Host) -> None:
    instance = host.start("all_at_once", {"count": 300})
    ended = host.end(instance)

    assert ended["output"] == sum(range(300)) * 2
    assert ended["customStatus"] == {"done": 300}


def test_a_sliding_window_comes_to_its_end(host: Host) -> None:
    assert host.run("window", {"count": 40, "width": 4}) == sum(range(40)) * 2


def test_a_failing_activity_is_tried_again_and_later_ids_still_fit(host: Host, tmp_path: Path) -> None:
    given = {"attempts": 4, "job": {"file": str(tmp_path / "runs"), "fail": 2}}

    assert host.run("with_retry", given) == {"result": {"runs": 3}, "after": 42}


def test_when_no_attempt_is_left_the_orchestration_fails_with_the_reason(host: Host, tmp_path: Path) -> None:
    given = {"attempts": 2, "job": {"file": str(tmp_path / "runs"), "fail": 9}}
    ended = host.end(host.start("with_retry", given))

    assert ended["runtimeStatus"] == "Failed"
    assert "attempt 2 fails" in ended["output"]
    assert len((tmp_path / "runs").read_text().splitlines()) == 2


def test_an_exception_fails_the_orchestration_with_its_message(host: Host) -> None:
    ended = host.end(host.start("raises", {}))

    assert (ended["runtimeStatus"], ended["output"]) == (
        "Failed",
        "Orchestrator function 'raises' failed: it went wrong",
    )


def test_events_reach_the_orchestrator_before_and_after_it_waits(host: Host) -> None:
    instance = host.start("waits", {})
    assert host.raise_event(instance, "second", "two") == 202
    assert host.raise_event(instance, "first", {"one": 1}) == 202

    assert host.end(instance)["output"] == [{"one": 1}, "two", 8]
    assert host.raise_event(instance, "first") == 410
    assert host.raise_event("unknown", "first") == 404


def test_a_timer_fires_when_it_is_due(host: Host) -> None:
    begin = time.monotonic()

    assert host.run("sleeps", 300) == "awake"
    assert 0.3 <= time.monotonic() - begin < 30


def test_only_an_ended_instance_is_purged_and_leaves_nothing(host: Host) -> None:
    ended, running = host.start("sleeps", 0), host.start("sleeps", 3_600_000)
    host.end(ended)

    assert host.http.delete(f"{host.instances}/{ended}").json() == {"instancesDeleted": 1}
    assert host.http.get(f"{host.instances}/{ended}").status_code == 404
    assert host.http.delete(f"{host.instances}/{ended}").status_code == 404
    assert host.http.delete(f"{host.instances}/{running}").status_code == 412
    assert host.status(running)["runtimeStatus"] == "Running"


def test_an_id_is_free_again_when_its_instance_has_ended(host: Host) -> None:
    host.start("waits", {}, "mine")
    path = "/runtime/webhooks/durabletask/orchestrators/sleeps/mine"
    assert host.http.post(path, json="0").status_code == 409
    for event in ("first", "second"):
        host.raise_event("mine", event)
    host.end("mine")

    assert host.http.post(path, json="0").status_code == 202
    assert host.end("mine")["output"] == "awake"


def test_an_unknown_orchestrator_is_refused_by_name(host: Host) -> None:
    answer = host.http.post("/runtime/webhooks/durabletask/orchestrators/nothing/mine", json="0")

    assert answer.status_code == 400
    assert "'nothing' doesn't exist" in answer.json()["ExceptionMessage"]


def test_an_activity_whose_worker_is_killed_runs_again_elsewhere(host: Host, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    instance = host.start("one_attempt", {"file": str(runs), "hang": 1})
    host.wait(runs.exists)
    os.kill(int(runs.read_text().split()[0]), signal.SIGKILL)

    assert host.end(instance)["output"] == {"runs": 2}


def test_a_zombies_late_completion_is_ignored(host: Host, tmp_path: Path) -> None:
    runs, until = tmp_path / "runs", tmp_path / "until"
    instance = host.start("one_attempt", {"file": str(runs), "until": str(until)})
    host.wait(runs.exists)
    zombie = int(runs.read_text().split()[0])
    os.kill(zombie, signal.SIGSTOP)
    try:
        host.wait(lambda: len(runs.read_text().splitlines()) == 2, "the second run")
        until.touch()
        assert host.end(instance)["output"] == {"runs": 2}
    finally:
        os.kill(zombie, signal.SIGCONT)

    assert host.run("fan_out", {"count": 3}) == 6
    assert host.status(instance)["output"] == {"runs": 2}


@pytest.mark.parametrize("name", ["serve", "host"])
def test_everything_goes_on_after_a_kill_and_a_restart(name: str, tmp_path: Path, environment: dict[str, str]) -> None:
    data, until = tmp_path / "data", tmp_path / "until"
    with serve.launch(data, *ARGUMENTS, environment=environment) as serving:
        first = Host(serving)
        with first.http:
            job = {"file": str(tmp_path / "runs"), "until": str(until)}
            waiting = first.start("waits", {}, "waiting")
            working = first.start("one_attempt", job, "working")
            assert first.run("fan_out", {"count": 3}) == 6
            first.wait((tmp_path / "runs").exists)
            pids = first.pids()
            os.kill(pids[name], signal.SIGKILL)
            first.wait(lambda: name == "host" or not any(map(_alive, pids.values())), "all are gone")
            if name == "host":
                first.wait(lambda: first.pids()["host"] != pids["host"])
                assert first.status(waiting)["runtimeStatus"] == "Running"
                return
    until.touch()
    with serve.launch(data, *ARGUMENTS, environment=environment) as serving:
        second = Host(serving)
        with second.http:
            assert second.end(working)["output"] == {"runs": 2}
            for event in ("first", "second"):
                assert second.raise_event(waiting, event, 1) == 202
            assert second.end(waiting)["output"] == [1, 1, 8]


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
