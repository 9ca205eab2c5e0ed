"""The documents' tables that are made from the product's own data: `python -m tests.tables` writes them."""

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from shared.files.column import Column
from shared.files.columns import COLUMNS
from shared.page import read

DOCS = Path(__file__).parents[1] / "docs"
BEGIN, END = "<!-- table: python -m tests.tables -->\n", "<!-- /table -->\n"


def columns() -> str:
    """A row for each column: what it has, its property in Graph where the name differs, its cost and permission."""
    rows = []
    for facts, group in groupby(COLUMNS.values(), _facts):
        names = [f"`{each.header}`" for each in group]
        rows.append((" to ".join(dict.fromkeys((names[0], names[-1]))), *facts))
    return _table(("column", "what it has", "cost, permission"), rows)


def codes() -> str:
    """A row for each error and warning: what it means, and what to do. Codes that mean the same have one row."""
    content, _ = read("texts.en.json") or (b"", {})
    advice = json.loads(content)["advice"].items()
    rows = [
        (", ".join(_code(code) for code, _ in group), *(text.rstrip(".") for text in told))
        for told, group in groupby(advice, lambda each: each[1])
    ]
    return _table(("code", "what it means", "what to do"), rows)


TABLES: dict[Path, Callable[[], str]] = {DOCS / "columns.md": columns, DOCS / "codes.md": codes}


def documented(file: Path) -> str:
    """The document with its table as it is now."""
    before, _, rest = file.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n{TABLES[file]()}\n{END}{rest.partition(END)[2]}"


def _facts(column: Column) -> tuple[str, str]:
    source = "" if column.source == column.header else f" (`{column.source}`)"
    needs = (column.cost.replace("none", ""), column.permission)
    return f"{column.description}{source}", ", ".join(filter(None, needs))


def _code(code: str) -> str:
    if code == "HTTP":
        return "`HTTP` and a number"
    return f"`{code}`".replace(" on columns`", "` on authentication columns")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    for document in TABLES:
        document.write_text(documented(document))
