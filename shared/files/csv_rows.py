"""Users to CSV bytes: RFC 4180 with CRLF, UTF-8; for Excel with a BOM and a guard against formulas.

Excel runs a cell that begins with = + - @ (also after a tab or CR, and in their full-width forms) as a formula. So a
user's display name could run code on the administrator's computer (CWE-1236, OWASP: CSV injection). The guard puts an
apostrophe before such a cell. Readers may drop invisible characters, such as NUL, so a formula after these is guarded
too. Phone numbers and plain numbers stay as they are: they are harmless, and an apostrophe would spoil them.

Excel's list separator may differ from the file's: it is a semicolon in much of Europe, else a comma. Then Excel may cut
a cell there or at a line break, because it sees a quote only at the beginning of a cell. What follows a cut is guarded
in the same way. The guard can be removed again, so that keys stay keys: a cell that already has apostrophes before a
formula gets one more.

Rows are made column by column: one look at all cells of a column shows which of them need quotes or the guard, and for
most columns that none does. csv.writer looks at each letter of each cell, and takes 1.6 times as long.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.files.columns import Column
from shared.graph.users import User

BOM = b"\xef\xbb\xbf"

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_PHONE = r"\+\(?[0-9][0-9 ().\-/]*(?:\s*(?:x|ext\.?)\s*[0-9]+)?"
"""Such as +31 20 123 4567 and +1 (425) 555-0100x12."""
_HIDDEN = r"\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control and format characters, without CR and LF, at which a cell may be cut."""
_WIDE = "＝＋－＠"  # noqa: RUF001 - the full-width forms
_CELL = "`"
"""Before and after each cell of a column, for a search in all of them at once."""
_FORMULA = re.compile(
    # The first look passes over nearly all cells, the second one over phone numbers.
    rf"{_CELL}(?=['=+\-@\t\r{_WIDE}{_HIDDEN}])(?!'*{_PHONE}{_CELL})"
    rf"(?='*(?:[=@\t\r{_WIDE}]|[+-](?!{_NUMBER}{_CELL})|[{_HIDDEN}]+[=+\-@{_WIDE}]))",
    re.ASCII,
)
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
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(_CELL + cell.replace(_CELL, "_") + _CELL) else cell


def _cells(cells: list[str], excel: bool, marks: _Marks) -> tuple[list[str], int]:
    """The cells of a column as the file has them, and how many of them are guarded."""
    column = _CELL + _CELL.join(cells) + _CELL
    guarded = _guard(cells, column, marks) if excel else 0
    if any(mark in column for mark in marks.quoted):
        end = marks.quoted[0]
        cells = [
            '"' + cell.replace('"', '""') + '"' if end in cell or '"' in cell or "\r" in cell or "\n" in cell else cell
            for cell in cells
        ]
    return cells, guarded


def _guard(cells: list[str], column: str, marks: _Marks) -> int:
    """Puts apostrophes into the cells, and says into how many."""
    changed = set[int]()
    if _has(column, _FORMULAS) or _is_strange(column):
        for place in _places(_FORMULA, cells, column):
            cells[place] = "'" + cells[place]
            changed.add(place)
    if _has(column, marks.cuts) and marks.cut_formula.search(column):
        for place in {*_places(marks.cut_formula, cells, column)}:
            cells[place] = marks.cut_formula.sub(r"\1'", cells[place])
            changed.add(place)
    return len(changed)


def _places(pattern: re.Pattern[str], cells: list[str], column: str) -> list[int]:
    """The numbers of the cells in which the pattern is found."""
    if column.count(_CELL) > len(cells) + 1:
        # Here only the marks between the cells count. To the patterns an underscore means as little.
        column = _CELL + _CELL.join([cell.replace(_CELL, "_") for cell in cells]) + _CELL
    places, place, at = [], -1, 0
    for found in pattern.finditer(column):
        place += column.count(_CELL, at, found.end())
        at = found.end()
        places.append(place)
    return places


def _has(column: str, marks: tuple[str, ...]) -> bool:
    # A single letter is found ten times as quickly as two, and most columns have none of these.
    for mark in marks:  # noqa: SIM110 - `any` and a generator take twice as long
        if mark[-1] in column and mark in column:
            return True
    return False


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
