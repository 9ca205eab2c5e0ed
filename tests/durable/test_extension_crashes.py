"""kill -9 on Microsoft's own Durable extension: the app's workers, the host, everything, one host of two."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.serve import look
from tests.api.api_client import Api
from tests.durable.conftest import extension
from tests.integration.truth import check_ids
from tests.waiting import wait

SECONDS = 400.0


@pytest.fixture(scope="module")
def crashing(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with slow_extension(tmp_path_factory.mktemp("crashes"), program) as found:
        yield found


def slow_extension(data: Path, program: str, *arguments: str) -> Any:
    """A tenant that takes some seconds to be read."""
    arguments = ("--users", "1500", "--latency-ms", "300", *arguments)
    return extension(data, program, *arguments, EXPORT_RANGE_USERS="100", EXPORT_PARALLEL="4")


def reading(api: Api) -> str:
    """An export that is being read."""
    export_id = api.start()
    wait(lambda: api.get(f"/api/exports/{export_id}").json().get("progress", {}).get("rangesDone"), "reading", SECONDS)
    return export_id


def kill(api: Api, *names: str, number: int = signal.SIGKILL) -> float:
    pids = look(api.serving.data).pids
    for name, pid in pids.items():
        if name.startswith(names):
            os.kill(pid, number)
    return time.monotonic()


def end(api: Api, export_id: str) -> Any:
    """The results, once there are any: for a moment after a kill nobody answers, or with a 5xx of the host's own."""

    def ended() -> Any:
        try:
            answer = api.http.get(f"/api/exports/{export_id}", headers=api.caller)
        except httpx.TransportError:
            return None
        return answer.json() if answer.status_code != 202 and answer.content else None

    return wait(ended, "the end", SECONDS)


def check_complete(api: Api, found: Any) -> None:
    assert found["status"] == "Completed", found
    ids = set(httpx.get(f"{api.serving.graph}/_tenant/ids").text.split())
    check_ids(httpx.get(found["download"]["csv"]).raise_for_status().content, ids)


def test_the_workers_die_and_the_lanes_are_asked_for_again(crashing: Api) -> None:
    export_id = reading(crashing)
    kill(crashing, "worker")
    check_complete(crashing, end(crashing, export_id))


def test_host_and_app_die_and_the_export_goes_on_when_its_messages_are_visible_again(crashing: Api) -> None:
    """The least that the extension takes for that is a minute; without the setting it is five."""
    export_id = reading(crashing)
    killed = kill(crashing, "durable-host", "host", "worker")
    check_complete(crashing, end(crashing, export_id))
    assert time.monotonic() - killed < 150


def test_two_hosts_share_an_export(two_hosts: str, tmp_path: Path) -> None:
    with slow_extension(tmp_path, two_hosts, "--durable-hosts", "2") as api:
        check_complete(api, end(api, api.start()))
        names = {(tmp_path / f"durable-client-{number}.json").read_text() for number in range(2)}
        assert len(names) == 2


@pytest.mark.long
@pytest.mark.timeout(900)
def test_one_of_two_hosts_dies_and_the_export_goes_on(two_hosts: str, tmp_path: Path) -> None:
    with slow_extension(tmp_path, two_hosts, "--durable-hosts", "2") as api:
        export_id = reading(api)
        kill(api, "durable-host-0")
        check_complete(api, end(api, export_id))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_one_of_two_hosts_dies_for_good_and_the_other_goes_on(two_hosts: str, tmp_path: Path) -> None:
    with slow_extension(tmp_path, two_hosts, "--durable-hosts", "2") as api:
        export_id = reading(api)
        # One that is stopped renews no lease and reads no answer, as a dead one; `serve` does not start it again.
        stopped = kill(api, "durable-host-1", number=signal.SIGSTOP)
        check_complete(api, end(api, export_id))
        print(f"two hosts, one stopped for good: {time.monotonic() - stopped:.0f} s")
        kill(api, "durable-host-1", number=signal.SIGCONT)
        check_complete(api, api.get(f"/api/exports/{export_id}").json())


def host_json(folder: Path, visibility: str) -> Path:
    """The app's, but for the time in which nobody else gets the messages that a host has taken."""
    settings = json.loads(Path("host.json").read_text())
    settings["extensions"]["durableTask"]["storageProvider"] |= {
        "controlQueueVisibilityTimeout": visibility,
        "workItemQueueVisibilityTimeout": visibility,
    }
    file = folder / "host.json"
    file.write_text(json.dumps(settings))
    return file


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("visibility", "least", "most"), [("00:02:00", 100, 200), ("00:05:00", 270, 400)])
def test_an_export_waits_for_a_dead_instance_as_long_as_its_messages_are_invisible(
    program: str, tmp_path: Path, visibility: str, least: int, most: int
) -> None:
    settings = host_json(tmp_path, visibility)
    with slow_extension(tmp_path / "data", program, "--host-json", str(settings)) as api:
        export_id = reading(api)
        killed = kill(api, "durable-host", "host", "worker")
        check_complete(api, end(api, export_id))
        print(f"{visibility}: {time.monotonic() - killed:.0f} s")
        assert least < time.monotonic() - killed < most


@pytest.mark.long
@pytest.mark.timeout(900)
def test_everything_dies_and_a_new_serve_goes_on(program: str, tmp_path: Path) -> None:
    with slow_extension(tmp_path, program) as api:
        export_id = reading(api)
        for pid in look(tmp_path).pids.values():
            os.kill(pid, signal.SIGKILL)
    with slow_extension(tmp_path, program) as api:
        check_complete(api, end(api, export_id))
