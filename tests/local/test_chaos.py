"""Rounds are drawn from their seeds, played against real processes, and end in a table."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from local.chaos.kinds import KINDS, SCOPES, Round, draw
from local.chaos.play import Played, play
from local.chaos.rounds import chaos
from local.chaos.table import BEGIN, END, asked, put, table


def played(kind: str, *violations: str, status: str = "Completed", reason: str = "", seconds: float = 1.0) -> Played:
    return Played(draw(kind, 1), status, reason, seconds, 2, ("host while reading",), violations)


def options(**changes: object) -> argparse.Namespace:
    return argparse.Namespace(**{"rounds": 3, "seed": 7, "only": None, "write": None, "durable_host": None} | changes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_round_and_another_another(kind: str) -> None:
    assert draw(kind, 5) == draw(kind, 5)
    assert len({draw(kind, seed) for seed in range(20)}) == 20
    assert all(draw(kind, seed).blows for seed in range(20))


def test_rounds_ask_for_every_format_and_for_users_of_every_scope() -> None:
    drawn = [draw(kind, seed) for kind in KINDS for seed in range(20)]
    assert {each.scope for each in drawn} == set(SCOPES)
    assert {asked(each).partition(", ")[2] for each in drawn} == {"csv", "csv.gz", "xlsx", "jsonl.gz"}


@pytest.mark.parametrize("scope", ["members of most groups", "deleted"])
def test_a_worker_is_killed_and_each_user_of_the_scope_is_there_once(tmp_path: Path, scope: str) -> None:
    blow = replace(draw("worker", 1).blows[0], after=0.2)
    small = replace(draw("worker", 1), users=2500, range_users=100, columns="profile", scope=scope, blows=(blow,))
    found = play(small, tmp_path)
    assert found.violations == ()
    assert (found.status, found.killed) == ("Completed", 1)


def test_a_worker_is_killed_twice_and_the_export_is_whole(tmp_path: Path) -> None:
    blows = tuple(replace(draw("worker", 1).blows[0], after=0.2, pick=pick) for pick in (0, 1))
    small = replace(draw("worker", 1), users=900, range_users=40, columns="profile", shape="normal", blows=blows)
    found = play(small, tmp_path)
    assert found.violations == ()
    assert (found.status, found.killed) == ("Completed", 2)
    assert json.loads((tmp_path / "round.json").read_text())["played"]["status"] == "Completed"


def test_a_violation_says_how_to_repeat_it_keeps_the_folder_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    folders: list[Path] = []

    def short(drawn: Round, data: Path) -> Played:
        folders.append(data)
        return replace(played("host"), round=drawn, violations=("1 users are missing from the CSV",))

    assert not chaos(options(rounds=1, only="host"), short)
    (folder,) = folders
    printed = capsys.readouterr().out
    assert "python -m local chaos --seed 7 --rounds 1 --only host" in printed
    assert "1 users are missing" in printed
    assert str(folder) in printed
    folder.rmdir()


def test_rounds_take_the_kinds_in_turn_each_with_the_next_seed(capsys: pytest.CaptureFixture[str]) -> None:
    drawn: list[tuple[str, int]] = []
    folders: list[Path] = []

    def good(each: Round, data: Path) -> Played:
        drawn.append((each.kind, each.seed))
        folders.append(data)
        return replace(played(each.kind), round=each)

    assert chaos(options(), good)
    assert drawn == list(zip(KINDS, (7, 8, 9), strict=False))
    assert not any(folder.exists() for folder in folders)
    assert "[3/3, 0 s]" in capsys.readouterr().out


def test_the_table_counts_by_kind_and_names_the_slowest() -> None:
    rounds = [
        played("host", seconds=2.0),
        played("host", "short", seconds=4.0),
        played("azurite", status="Failed", reason="StateLost", seconds=70.0),
    ]
    lines = table(rounds, 7, "2026-01-01").splitlines()
    assert lines[0].startswith("3 rounds, seed 7, 2026-01-01. ")
    assert "0 times while planning, 3 times while reading, " in lines[0]
    assert "The slowest took 70 s (azurite, seed 1): Failed (StateLost) after host while reading." in lines[0]
    assert "| host | the HTTP host, one to three times | 2 | 4 | 2 | 0 | 0 | 1 | 3.0 s | 4.0 s |" in lines
    assert lines[-1] == "| all |  | 3 | 6 | 2 | 0 | 1 StateLost | 1 | 4.0 s | 70.0 s |"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "page.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    return file


def test_the_table_replaces_the_old_one_in_its_place(page: Path) -> None:
    put(page, "new")
    assert page.read_text() == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


def test_a_page_without_a_place_for_the_table_is_left_as_it_is(page: Path) -> None:
    page.write_text(BEGIN)
    with pytest.raises(ValueError, match="no place"):
        put(page, "new")
    assert page.read_text() == BEGIN


def test_the_projects_own_page_has_a_place_for_the_table() -> None:
    text = (Path(__file__).parents[2] / "benchmarks/chaos.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    assert text.index(BEGIN) < text.index(END)
