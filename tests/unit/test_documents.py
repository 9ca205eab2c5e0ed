"""The documents: their links lead somewhere, and their source can be read line by line."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKING = [*DOCUMENTS, *sorted((ROOT / "benchmarks").rglob("*.md")), ROOT / "tests/guards.md", ROOT / "CHANGELOG.md"]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
LONGEST = 160


def prose(file: Path) -> str:
    """Without blocks of code, whose lines are no headings and hold no links."""
    return re.sub(r"^```.*?^```$", "", file.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(file: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(file), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("file", LINKING, ids=name)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(file: Path) -> None:
    for target, anchor in LINK.findall(prose(file)):
        found = (file.parent / target).resolve() if target else file
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


@pytest.mark.parametrize("file", DOCUMENTS, ids=name)
def test_no_line_is_too_long(file: Path) -> None:
    assert [line for line in file.read_text().splitlines() if len(line) > LONGEST] == []


def test_anchors_are_made_as_github_makes_them(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("# Rounds of kill -9\n\n## What's `this`?\n\n```sh\n# no heading\n```\n")
    assert anchors(file) == {"rounds-of-kill--9", "whats-this"}
