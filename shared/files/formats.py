"""The formats of a file: each is a record of functions, which the request chooses. No other code depends on the format.

    csv     a header and lines; the request has the separator, and whether the file is for Excel
    jsonl   an object on each line
    xlsx    a workbook

Files are deflated (xlsx always, the others when compressed) piece by piece, so that the blocks of different executions
join to one stream: see `deflate`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from shared.files import csv_rows, deflate, json_rows, xlsx
from shared.files.columns import Column
from shared.files.deflate import Segment
from shared.graph.users import User

CSV, JSONL, XLSX = "csv", "jsonl", "xlsx"
FORMATS = (CSV, XLSX, JSONL)
SEPARATORS = (",", ";")
GUARDED, CUT = "guarded ", "cut "
"""Before a column's header, in the counts of `rows`: cells that were changed."""

Piece = tuple[bytes, int]
"""Bytes of the file, and how many of the staged blocks follow them."""


@dataclass(frozen=True, slots=True)
class Format:
    """How users become a file."""

    ending: str
    content_type: str
    rows: Callable[[Sequence[User], Sequence[Column]], tuple[bytes, dict[str, int]]]
    """The rows of some users, and counts for the results."""
    around: Callable[[Sequence[Column], Sequence[Segment]], list[Piece]]
    """The whole file, from what is known of its blocks."""
    deflated: bool = False
    block_users: int | None = None
    """About so many users in a block at most; None: any number."""


def chosen(
    name: str, *, compress: bool = False, separator: str = ",", excel: bool = True, sheet_users: int = xlsx.SHEET_USERS
) -> Format:
    """The format that a request asks for."""
    if name == XLSX:
        content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        around = partial(xlsx.around, sheet_users=sheet_users)
        return Format(".xlsx", content_type, _workbook_rows, around, True, xlsx.BLOCK_USERS)
    if name == JSONL:
        plain = Format(".jsonl", "application/jsonl; charset=utf-8", _json_rows, partial(_after_header, _no_header))
        header = _no_header
    else:
        header = partial(csv_rows.header, excel=excel, separator=separator)
        lines = partial(_csv_rows, excel=excel, separator=separator)
        plain = Format(".csv", "text/csv; charset=utf-8", lines, partial(_after_header, header))
    if not compress:
        return plain
    around = partial(_gzip, header)
    return replace(plain, ending=plain.ending + ".gz", content_type="application/gzip", around=around, deflated=True)


Header = Callable[[Sequence[Column]], bytes]


def _csv_rows(
    users: Sequence[User], columns: Sequence[Column], excel: bool, separator: str
) -> tuple[bytes, dict[str, int]]:
    data, guarded = csv_rows.rows(users, columns, excel, separator)
    return data, {GUARDED + header: cells for header, cells in guarded.items()}


def _json_rows(users: Sequence[User], columns: Sequence[Column]) -> tuple[bytes, dict[str, int]]:
    return json_rows.rows(users, columns), {}


def _workbook_rows(users: Sequence[User], columns: Sequence[Column]) -> tuple[bytes, dict[str, int]]:
    data, cut = xlsx.rows(users, columns)
    return data, {CUT + header: cells for header, cells in cut.items()}


def _no_header(_: Sequence[Column]) -> bytes:
    return b""


def _after_header(header: Header, columns: Sequence[Column], blocks: Sequence[Segment]) -> list[Piece]:
    return [(header(columns), len(blocks))]


def _gzip(header: Header, columns: Sequence[Column], blocks: Sequence[Segment]) -> list[Piece]:
    first, about = deflate.segment(header(columns))
    begin, end = deflate.gzip_ends(deflate.joined([about, *blocks]))
    return [(begin + first, len(blocks)), (end, 0)]
