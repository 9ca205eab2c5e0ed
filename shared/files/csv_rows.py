"""Users to CSV bytes: RFC 4180 with CRLF, UTF-8; for Excel with a BOM and a guard against formulas.

Excel runs a cell that begins with = + - @ (also after a tab or CR, and in their full-width forms) as a formula. So a
user's display name could run code on the administrator's computer (CWE-1236, OWASP: CSV injection). The guard puts an
apostrophe before such a cell. Readers may drop invisible characters, such as NUL, so a formula after these is guarded
too. Phone numbers and plain numbers stay as they are: they are harmless, and an apostrophe would spoil them.

Excel's list separator may differ from the file's: it is a semicolon in much of Europe, else a comma. Then Excel may cut
a cell there or at a line break, because it sees a quote only at the beginning of a cell. What follows a cut is guarded
in the same way. The guard can be removed again, so that keys stay keys: a cell that already has apostrophes before a
formula gets one more.

Rows are made column by column: for most columns one look shows that no cell needs quotes or the guard. csv.writer looks
at each letter of each cell, and takes twice as long.
"""

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.files.columns import Column
from shared.graph.users import User

BOM = b"\xef\xbb\xbf"

_NUMBER = r"\d+(?:[.,]\d+)?"
_PHONE = r"\(?\d[\d ().\-/]*(?:\s*(?:x|ext\.?)\s*\d+)?"
"""After the plus: as in +31 20 123 4567 and +1 (425) 555-0100x12."""
_HIDDEN = r"\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control and format characters, without CR and LF, at which a cell may be cut."""
_WIDE = "＝＋－＠"  # noqa: RUF001 - the full-width forms
_FORMULA = re.compile(
    rf"'*(?:[=@\t\r{_WIDE}]|-(?!{_NUMBER}\Z)|\+(?!(?:{_NUMBER}|{_PHONE})\Z)|[{_HIDDEN}]+[=+\-@{_WIDE}])", re.ASCII
)

_CELL = "|"
"""Joins the cells of a column for a search. In a cell it only costs a second search."""
_FORMULAS = tuple(_CELL + begin for begin in "=+-@\t\r'")
_CONTROLS = tuple(letter for letter in map(chr, [*range(32), 127]) if letter not in "\r\n")
_AFTER_HIDDEN = tuple((begin, re.compile(rf"\{begin}(?<=[{_HIDDEN}].)")) for begin in "=+-@")


@dataclass(frozen=True, slots=True)
class _Marks:
    """Where a cell ends for readers of this file, and where it may end for others."""

    cuts: tuple[str, ...]
    cut_formula: re.Pattern[str]
    cut_guard: re.Pattern[str]
    quoted: tuple[str, ...]


def _marks(separator: str, other: str) -> _Marks:
    before, formula = rf"([{other}\r\n][{_HIDDEN}\"]*)", rf"(?='*[=+\-@{_WIDE}])"
    cut_formula, cut_guard = re.compile(before + formula), re.compile(f"{before}'{formula}")
    return _Marks((other, "\r", "\n"), cut_formula, cut_guard, (separator, '"', "\r", "\n"))


_SEPARATORS = {",": _marks(",", ";"), ";": _marks(";", ",")}


def header(columns: Sequence[Column], excel: bool, separator: str = ",") -> bytes:
    """The file's first line, with the BOM for Excel."""
    return (BOM if excel else b"") + _lines([[column.header] for column in columns], separator)


def rows(
    users: Sequence[User], columns: Sequence[Column], excel: bool, separator: str = ","
) -> tuple[bytes, dict[str, int]]:
    """One line per user, and how many cells the guard has changed: by header, of those columns that have some."""
    table, guarded = [], dict[str, int]()
    for column in columns:
        cells, count = _cells([cell or "" for cell in map(column.cell, users)], excel, _SEPARATORS[separator])
        table.append(cells)
        if count:
            guarded[column.header] = count
    return _lines(table, separator), guarded


def without_guard(cell: str, separator: str = ",") -> str:
    """The cell as it was before the guard: of the apostrophes before a formula there is one too many."""
    if "'" not in cell:
        return cell
    cell = _SEPARATORS[separator].cut_guard.sub(r"\1", cell)
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def _cells(cells: list[str], excel: bool, marks: _Marks) -> tuple[list[str], int]:
    """The cells of a column as the file has them, and how many of them are guarded."""
    column = _CELL + _CELL.join(cells)
    before = cells
    if excel and (_has(column, _FORMULAS) or _is_strange(column)):
        # Nearly all cells begin with a letter or a digit of ASCII.
        cells = [
            "'" + cell if cell and not ("A" <= cell < "{" or "0" <= cell < ":") and _FORMULA.match(cell) else cell
            for cell in cells
        ]
    if excel and _has(column, marks.cuts) and marks.cut_formula.search(column):
        cells = [marks.cut_formula.sub(r"\1'", cell) for cell in cells]
    guarded = 0 if cells is before else sum(map(operator.ne, before, cells))
    if _has(column, marks.quoted):
        end = marks.quoted[0]
        cells = [
            '"' + cell.replace('"', '""') + '"' if end in cell or '"' in cell or "\r" in cell or "\n" in cell else cell
            for cell in cells
        ]
    return cells, guarded


def _has(column: str, marks: tuple[str, ...]) -> bool:
    # A single letter is found ten times as quickly as two, and most columns have none of these.
    return any(mark[-1] in column and mark in column for mark in marks)


def _is_strange(column: str) -> bool:
    """Whether a formula may begin after hidden characters or with a full-width one.

    A search for a single letter costs next to nothing, one for any of many does: hence not one pattern for all.
    """
    if column.isascii():
        return any(letter in column for letter in _CONTROLS)
    return any(letter in column for letter in _WIDE) or any(
        begin in column and pattern.search(column) for begin, pattern in _AFTER_HIDDEN
    )


def _lines(table: list[list[str]], separator: str) -> bytes:
    if len(table) == 1:
        table = [[cell or '""' for cell in table[0]]]  # An empty line would be none.
    # Each line by itself: in one text of them all, an emoji anywhere would make every letter four bytes.
    return b"\r\n".join([*map(str.encode, map(separator.join, zip(*table, strict=True))), b""])
