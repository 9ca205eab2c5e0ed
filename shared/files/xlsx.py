"""Users to an Excel file: their rows as segments, and the bytes between and around the blocks.

The archive has the small files first, as Excel writes it, because programs detect a file's type by its beginning. The
sheets follow. A sheet ends at the end of a block, so that blocks stay as they were staged.
"""

from collections.abc import Sequence

from shared.files import deflate, workbook, zip64
from shared.files.columns import Column
from shared.files.deflate import Segment
from shared.graph.users import User

SHEET_USERS = workbook.MAX_ROWS - 1
"""All rows but the header."""
BLOCK_USERS = SHEET_USERS // 20
"""About so many in a block at most: then a sheet that ends with a block is nearly full."""

_WIDE, _NARROW, _TIME = 36, 16, 20
"""Widths in characters: of ids, names and addresses; of other texts; of times."""
_WIDE_NAMES = ("name", "mail", "id", "address", "addresses")
_BUTTON = 4
"""Width of the filter's button beside a header."""


def rows(users: Sequence[User], columns: Sequence[Column]) -> tuple[bytes, dict[str, int]]:
    """A row for each user; and by header how many cells were cut, where there are any."""
    given = [column.cell if column.kind == "text" else column.value for column in columns]
    data, cut = workbook.rows([[*map(value, users)] for value in given], [column.kind for column in columns])
    return data, {column.header: cells for column, cells in zip(columns, cut, strict=True) if cells}


def around(
    columns: Sequence[Column], blocks: Sequence[Segment], sheet_users: int = SHEET_USERS
) -> list[tuple[bytes, int]]:
    """The file: bytes, and how many of the blocks follow them."""
    sheets = _sheets(blocks, sheet_users)
    headers = [column.header for column in columns]
    head, about_head = deflate.segment(workbook.sheet_head(headers, [*map(_width, columns)]))
    users = [sum(block.users for block in sheet) for sheet in sheets]
    before, entries = b"", list[zip64.Entry]()
    for name, content in workbook.parts(len(sheets), len(columns), users).items():
        data, about = deflate.segment(content)
        entries.append(_entry(name, about))
        before += zip64.local_header(entries[-1]) + data + deflate.END
    pieces: list[tuple[bytes, int]] = []
    for number, sheet in enumerate(sheets, 1):
        tail, about_tail = deflate.segment(workbook.sheet_tail(len(columns), users[number - 1]))
        entries.append(_entry(workbook.sheet_name(number), deflate.joined([about_head, *sheet, about_tail])))
        pieces.append((before + zip64.local_header(entries[-1]) + head, len(sheet)))
        before = tail + deflate.END
    return [*pieces, (before + zip64.directory(entries), 0)]


def _entry(name: str, about: Segment) -> zip64.Entry:
    return zip64.Entry(name, about.size + len(deflate.END), about.plain, about.crc)


def _sheets(blocks: Sequence[Segment], most: int) -> list[list[Segment]]:
    """The blocks of each sheet; there is at least one sheet."""
    sheets: list[list[Segment]] = [[]]
    users = 0
    for block in blocks:
        if sheets[-1] and users + block.users > most:
            sheets.append([])
            users = 0
        sheets[-1].append(block)
        users += block.users
    return sheets


def _width(column: Column) -> int:
    text = _WIDE if column.header.lower().endswith(_WIDE_NAMES) else _NARROW
    return max(_TIME if column.kind == "time" else text, len(column.header) + _BUTTON)
