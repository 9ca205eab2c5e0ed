"""The sections as Markdown and as JSON."""

import json
import os
import platform
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.section import Section

NUMBERS = "Each figure is to be read as a ratio within this run: another machine has other seconds."


def machine() -> dict[str, Any]:
    return {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}


def markdown(sections: list[Section], charts: list[str]) -> str:
    host = machine()
    lines = ["# Benchmarks", "", f"Python {host['python']}, {host['cpus']} cores. {NUMBERS}", ""]
    lines += [f"![{Path(chart).stem}]({chart})" for chart in charts]
    goals = [target for section in sections for target in section.targets]
    if goals:
        lines += ["", "## Goals", ""]
        table = [[each.what, each.goal, each.found, "reached" if each.reached else "**not reached**"] for each in goals]
        lines += _table(["", "goal", "found", ""], table)
    for section in sections:
        lines += ["", f"## {section.title}", "", *_table(section.columns, section.rows)]
        lines += [line for note in [*section.notes, f"Measured {section.measured}."] for line in ("", note)]
    return "\n".join(lines) + "\n"


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Columns as wide as their cells, so that the table can also be read as plain text."""
    table = [columns, *rows]
    widths = [max(3, *(len(row[at]) for row in table)) for at in range(len(columns))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in table]
    return [f"| {' | '.join(row)} |" for row in (padded[0], ["-" * width for width in widths], *padded[1:])]


def dated(section: Section) -> Section:
    return replace(section, measured=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def read(folder: Path) -> list[Section]:
    """What was written before; nothing where there is nothing."""
    file = folder / "results.json"
    return (
        msgspec.convert(json.loads(file.read_text(encoding="utf-8"))["sections"], list[Section])
        if file.exists()
        else []
    )


def write(folder: Path, sections: list[Section], charts: list[str]) -> str:
    """Writes results.md and results.json; returns the Markdown."""
    text = markdown(sections, charts)
    (folder / "results.md").write_text(text, encoding="utf-8")
    found = {"machine": machine(), "sections": [asdict(section) for section in sections]}
    (folder / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return text
