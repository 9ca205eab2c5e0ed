"""The README's table of columns, made from the code: `python -m tests.columns` writes it."""

from pathlib import Path

from shared.files.columns import COLUMNS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- columns: python -m tests.columns -->\n", "<!-- /columns -->\n"


def table() -> str:
    """A row for each column: what it is, where it comes from, what it costs and needs."""
    lines = ["| column | | from | cost | permission |", "| --- | --- | --- | --- | --- |"]
    for each in COLUMNS.values():
        cells = (f"`{each.header}`", each.description, each.source, each.cost, each.permission or "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def documented(text: str) -> str:
    """The text with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    README.write_text(documented(README.read_text()))
