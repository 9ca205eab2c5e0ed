"""The benchmarks compute what they say, and their peers and limits still run."""

import gzip
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import figures, processes, report, tenant, truth
from benchmarks.parts.cold import imported
from benchmarks.parts.compare import CLIENT
from benchmarks.peers.query import SELECT
from benchmarks.section import Section, Target
from local import azurite

USERS = 7000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with tenant.running(USERS) as found:
        yield found.url


def test_results_that_were_written_are_read_back_each_with_its_date(tmp_path: Path) -> None:
    assert report.read(tmp_path) == []
    target = Target("time", "at most 1x", "0.5x", reached=True)
    section = report.dated(Section("scale", "Scale", ["users"], [["1"]], ["A note."], [target], {"sizes": [1]}))
    text = report.write(tmp_path, [section], [])
    assert report.read(tmp_path) == [section]
    assert f"Measured {section.measured}." in text
    assert "| time | at most 1x | 0.5x  | reached |" in text


def test_a_spread_is_the_middle_run_with_the_lowest_and_the_highest() -> None:
    assert figures.spread([3.0, 1.0, 7.0]) == figures.Spread(3.0, 1.0, 7.0, 3)
    assert figures.shown(figures.spread([3.0, 1.0, 7.0]).scaled(10), "s") == "30.0 s (10.0 to 70.0, 3 runs)"
    with pytest.raises(ValueError, match="Nothing was measured"):
        figures.spread([])


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_the_exponent_of_a_power_is_found(power: float) -> None:
    sizes = [10.0, 1000.0, 50_000.0]
    assert figures.exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)


def test_a_line_is_found_with_its_constant() -> None:
    assert figures.line([10, 20, 40], [27, 47, 87]) == pytest.approx((2, 7))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.1, "0.100"),
        (1.234, "1.23"),
        (99.94, "99.9"),
        (123.4, "123"),
        (12345, "12,345"),
    ],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert figures.number(value) == text


def test_a_file_is_compared_user_by_user(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("name,id\r\nA,1\r\nB,2\r\nB,2\r\nX,9\r\n", encoding="utf-8-sig")
    found = truth.compare({"1", "2", "3"}, file)
    assert found == truth.Match(users=3, missing=1, doubled=1, strange=1)
    assert not found.exact


def test_a_file_of_any_format_is_compared_user_by_user(tmp_path: Path) -> None:
    ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(3)]
    lines = "".join(f'{{"objectId": "{each}"}}\n' for each in ids).encode()
    (tmp_path / "users.jsonl").write_bytes(lines)
    (tmp_path / "users.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "users.csv.gz").write_bytes(gzip.compress("\n".join(["objectId", *ids]).encode()))
    with zipfile.ZipFile(tmp_path / "users.xlsx", "w") as archive:
        rows = "".join(f"<row><c><is><t>{each}</t></is></c></row>" for each in ids)
        archive.writestr("xl/worksheets/sheet1.xml", f"<sheetData>{rows}</sheetData>")
    for file in tmp_path.iterdir():
        assert truth.compare({*ids}, file, "objectId") == truth.Match(3, 0, 0, 0), file.name
        assert truth.compare({*ids, "other"}, file, "objectId") == truth.Match(4, 1, 0, 0), file.name


def test_import_times_are_added_up_by_package() -> None:
    text = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:      1000 |       1000 |     httpx._urls\n"
        "import time:      2500 |       4000 |   httpx\n"
        "import time:       500 |        500 | httpx_other\n"
    )
    [package] = imported(text)
    assert (package.name, package.modules, package.own, package.cumulative) == ("httpx", 2, 3.5, 4.0)


@pytest.mark.parametrize("peer", ["sequential", "shards"])
def test_a_peer_exports_the_tenant(peer: str, address: str, tmp_path: Path) -> None:
    out = tmp_path / "users.csv"
    ended = processes.module(f"benchmarks.peers.{peer}", address, str(out))
    assert truth.compare(truth.ids(address), out) == truth.Match(USERS, 0, 0, 0)
    assert ended.said["users"] == USERS
    assert 0 < ended.said["seconds"] < ended.wall


@pytest.mark.skipif(not CLIENT.exists(), reason="`make bench` installs the JavaScript client")
def test_the_javascript_client_exports_the_tenant(address: str, tmp_path: Path) -> None:
    out = tmp_path / "users.csv"
    command = ["node", "benchmarks/peers/javascript.mjs", address, str(out), ",".join(SELECT)]
    assert processes.program(command).said["users"] == USERS
    assert truth.compare(truth.ids(address), out).exact


def test_the_sdk_exports_a_tenant_of_a_few(tmp_path: Path) -> None:
    out = tmp_path / "users.csv"
    with tenant.running(20) as small:
        processes.module("benchmarks.peers.sdk", small.url, str(out))
        assert truth.compare(truth.ids(small.url), out).exact


def test_the_limits_and_the_activities_run_on_the_same_users(address: str, tmp_path: Path) -> None:
    fetched = processes.module("benchmarks.limits.fetch", address).said
    assert fetched["pages"] >= USERS / 999
    assert fetched["ranges"] > 1
    assert processes.module("benchmarks.limits.decode", address).said["users"] == USERS
    sizes = tmp_path / "sizes.json"
    sizes.write_text(json.dumps([300, 70_000, 70_000]))
    with azurite.running(tmp_path) as storage:
        environment = {"EXPORT_STORAGE": storage.connection_string, "GRAPH_ENDPOINT": address}
        staged = processes.module("benchmarks.limits.staging", str(sizes), environment=environment).said
        assert (staged["blocks"], staged["bytes"]) == (3, 140_300)
        exported = processes.module("benchmarks.activities", address, environment=environment).said
        assert (exported["users"], exported["status"]) == (USERS, "Completed")


def test_a_program_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(processes.ProgramError, match="ConnectError"):
        processes.module("benchmarks.peers.sequential", "http://127.0.0.1:1", "/dev/null")
