"""Users to CSV bytes: RFC 4180 with CRLF, UTF-8; for Excel with a BOM and a guard against formulas.

Excel runs a cell that begins with = + - @ (also after a tab or CR, and with the full-width forms of these) as a
formula, which lets a user's display name act on the administrator's computer (CWE-1236, OWASP: CSV injection). Readers
may drop characters that nobody sees, such as NUL, so these count for nothing before a formula. The guard puts an
apostrophe before such a cell.
Phone numbers and plain numbers stay as they are: they can do nothing, and an apostrophe would spoil them. Where Excel's
list separator is a semicolon, as in much of Europe, it may cut a cell there or at a line break, because a quote counts
only at the beginning of what it takes for a cell: what follows is guarded the same way.

Made column by column: of most columns one look says that no cell needs quotes or the guard. csv.writer, which looks at
each letter of each cell, takes twice as long.
"""

import re
from collections.abc import Sequence

from shared.files.columns import Column
from shared.graph.users import User

BOM = b"\xef\xbb\xbf"

_NUMBER = r"\d+(?:[.,]\d+)?"
_PHONE = r"\(?\d[\d ().\-/]*(?:\s*(?:x|ext\.?)\s*\d+)?"
"""As in +31 20 123 4567 and +1 (425) 555-0100x12, after the plus."""
_HIDDEN = r"\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control and format characters, without CR and LF, at which a cell may be cut."""
_WIDE = "＝＋－＠"  # noqa: RUF001 - the full-width forms
_FORMULA = re.compile(
    rf"[=@\t\r{_WIDE}]|-(?!{_NUMBER}\Z)|\+(?!(?:{_NUMBER}|{_PHONE})\Z)|[{_HIDDEN}]+[=+\-@{_WIDE}]", re.ASCII
)
_CUT_FORMULA = re.compile(rf"([;\r\n][{_HIDDEN}\"]*)(?=[=+\-@{_WIDE}])")

_CELL = "|"
"""Between the cells of a column while it is looked at; in a cell it costs only a second look."""
_FORMULAS = tuple(_CELL + begin for begin in "=+-@\t\r")
_CONTROLS = tuple(letter for letter in map(chr, [*range(32), 127]) if letter not in "\r\n")
_AFTER_HIDDEN = tuple((begin, re.compile(rf"\{begin}(?<=[{_HIDDEN}].)")) for begin in "=+-@")
_CUTS = (";", "\r", "\n")
_QUOTED = (",", '"', "\r", "\n")


def header(columns: Sequence[Column], excel: bool) -> bytes:
    """The file's first line, with the BOM for Excel."""
    return (BOM if excel else b"") + _lines([[column.header] for column in columns])


def rows(users: Sequence[User], columns: Sequence[Column], excel: bool) -> bytes:
    """One line per user."""
    return _lines([_cells([cell or "" for cell in map(column.cell, users)], excel) for column in columns])


def _cells(cells: list[str], excel: bool) -> list[str]:
    """The cells of a column as the file has them."""
    column = _CELL + _CELL.join(cells)
    if excel and (_has(column, _FORMULAS) or _is_strange(column)):
        # Nearly all cells begin with a letter or a digit of ASCII.
        cells = [
            "'" + cell if cell and not ("A" <= cell < "{" or "0" <= cell < ":") and _FORMULA.match(cell) else cell
            for cell in cells
        ]
    if excel and _has(column, _CUTS) and _CUT_FORMULA.search(column):
        cells = [_CUT_FORMULA.sub(r"\1'", cell) for cell in cells]
    if _has(column, _QUOTED):
        cells = [
            '"' + cell.replace('"', '""') + '"' if "," in cell or '"' in cell or "\r" in cell or "\n" in cell else cell
            for cell in cells
        ]
    return cells


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


def _lines(table: list[list[str]]) -> bytes:
    if len(table) == 1:
        table = [[cell or '""' for cell in table[0]]]  # An empty line would be none.
    # Each line by itself: in one text of them all, an emoji anywhere would make every letter four bytes.
    return b"\r\n".join([*map(str.encode, map(",".join, zip(*table, strict=True))), b""])
