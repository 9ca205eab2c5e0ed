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

_FORMULA = frozenset("=+-@\t\r")
_CUT_FORMULA = re.compile(r"([;\r\n][\t\"]*)(?=[=+\-@])")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?|\+\(?\d[\d ().\-/]*(?:\s*(?:x|ext\.?)\s*\d+)?", re.ASCII)
"""A plain number, or a phone number: +31 20 123 4567, +1 (425) 555-0100x12."""


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
    return [_guard(cell) if type(cell) is str and _is_suspect(cell) else cell for cell in cells]


def _is_suspect(cell: str) -> bool:
    return cell[:1] in _FORMULA or ";" in cell or "\n" in cell or "\r" in cell


def _guard(cell: str) -> str:
    if cell[:1] in _FORMULA and not _NUMBER.fullmatch(cell):
        cell = "'" + cell
    return _CUT_FORMULA.sub(r"\1'", cell)


def _lines(table: Iterable[Iterable[Cell]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(table)
    return text.getvalue().encode()
