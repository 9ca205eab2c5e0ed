"""`python -m local demo`: what a new user reads."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from local import demo
from local.progress import progress_line


def test_the_demo_of_the_standard_tenant_ends_clean_and_shows_rows_and_where_to_look_next(tmp_path: Path) -> None:
    # As many users as make undated ones more than a range: they were read by name, with a warning.
    command = [sys.executable, "-m", "local", "demo", "--users", "14000", "--out", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    told = run.stdout.splitlines()
    assert told[1].endswith("It takes about 20 seconds.")
    assert told[2:5] == ["starting: storage", "starting: a simulated tenant of 14,000 users", "starting: the app"]
    assert "0 errors, 0 warnings" in run.stdout
    assert not [line for line in told if "{" in line]
    table = [at for at, line in enumerate(told) if line.split() == list(demo.COLUMNS)]
    assert len(told[table[0] + 1 :]) == demo.ROWS + 1
    assert told[-1].startswith("Next: `make serve`")
    assert (tmp_path / "users.csv").stat().st_size > 1_000_000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            httpx.Response(400, json={"title": "Bad Request", "detail": "There is no column x."}),
            "There is no column x.",
        ),
        (httpx.Response(500, json={"error": {"code": "NoToken", "message": "No token came."}}), "No token came."),
        (httpx.Response(502, text="<html>"), "the answer has no reason."),
    ],
)
def test_an_error_is_a_sentence_and_no_json(answer: httpx.Response, reason: str) -> None:
    assert demo.reason_of(answer) == reason


@pytest.mark.parametrize(("users", "text"), [(5_000, "10 seconds"), (20_000, "20 seconds"), (1_000_000, "8 minutes")])
def test_the_demo_says_how_long_it_takes(users: int, text: str) -> None:
    assert demo.time_for(users) == text


def test_before_the_users_are_counted_the_progress_shows_no_number_of_them() -> None:
    text = progress_line("InProgress", {"exported": 0, "expected": None, "ranges": 0}, 0.3)
    assert "counting users" in text
    assert "0 of 0" not in text
