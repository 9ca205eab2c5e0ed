"""Users to CSV bytes: RFC 4180 with CRLF, UTF-8; for Excel with a BOM and a guard against formulas.

Excel runs a cell that begins with = + - @ (also behind a tab or CR) as a formula, which lets a user's display name
act on the administrator's computer (CWE-1236, OWASP: CSV injection). The guard puts an apostrophe before such a cell.
Phone numbers and plain numbers stay as they are: they can do nothing, and an apostrophe would spoil them. Where Excel's
list separator is a semicolon, as in much of Europe, it may cut a cell there or at a line break, because a quote counts
only at the beginning of what it takes for a cell: what follows is guarded the same way.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from shared.columns import Cell, Column
from shared.users import User

BOM = b"\xef\xbb\xbf"

_NUMBER = r"\d+(?:[.,]\d+)?"
_PHONE = r"\(?\d[\d ().\-/]*(?:\s*(?:x|ext\.?)\s*\d+)?"
"""As in +31 20 123 4567 and +1 (425) 555-0100x12, behind the plus."""
_FORMULA = re.compile(rf"[=@\t\r]|-(?!{_NUMBER}\Z)|\+(?!(?:{_NUMBER}|{_PHONE})\Z)", re.ASCII)
_CUT_FORMULA = re.compile(r"([;\r\n][\t\"]*)(?=[=+\-@])")


def header(columns: Sequence[Column], excel: bool) -> bytes:
    """The file's first line, with the BOM for Excel."""
    return (BOM if excel else b"") + _lines([[column.header for column in columns]])


def rows(users: Sequence[User], columns: Sequence[Column], excel: bool) -> bytes:
    """One line per user. Made column by column, which is the quickest way through a page."""
    table: list[Iterable[Cell]] = [map(column.cell, users) for column in columns]
    if excel:
        table = [_guarded(cells) for cells in table]
    return _lines(zip(*table, strict=True))


def _guarded(cells: Iterable[Cell]) -> list[Cell]:
    """What begins a formula sorts before the letters, so most cells need no closer look: each page has 20,000."""
    return [
        _guard(cell)
        if cell
        and cell is not True
        and ((cell < "A" and _FORMULA.match(cell)) or ";" in cell or "\n" in cell or "\r" in cell)
        else cell
        for cell in cells
    ]


def _guard(cell: str) -> str:
    if _FORMULA.match(cell):
        cell = "'" + cell
    return _CUT_FORMULA.sub(r"\1'", cell)


def _lines(table: Iterable[Iterable[Cell]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(table)
    return text.getvalue().encode()
