"""Reads an export's file piece by piece, from bytes to rows: the reverse of `formats`. Pure.

A reader takes the next bytes of the file and gives the rows that are complete, as cells of a CSV without the guard, in
the order of the file's columns. It raises Broken when this is another file, or when it ends too early.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec
from isal import isal_zlib

from shared.files import workbook_rows
from shared.files.csv_rows import BOM, without_guard
from shared.files.free_columns import as_cell

MOST_INFLATED = 4 * 1024 * 1024
"""Bytes that are inflated at a time, however well they are compressed."""
_OBJECTS = msgspec.json.Decoder(dict[str, object])

# A cell of a CSV may be longer than the module's 128 KiB: a set of attributes as JSON.
csv.field_size_limit(sys.maxsize)

Row = Sequence[str]
Rows = Sequence[Row]
Reader = Callable[[bytes, bool], Iterator[Rows]]
"""Takes the next bytes, and whether these are the last."""


class Broken(ValueError):
    """The file is not what the export has published."""


def csv_reader(columns: Sequence[str], separator: str, excel: bool, compressed: bool) -> Reader:
    """A reader of a CSV with these columns. `excel`: it has a BOM, and a guard, which is removed."""
    ahead = bytearray()
    header: list[Row] = []

    def read(data: bytes, last: bool) -> Iterator[Rows]:
        ahead.extend(data)
        end = len(ahead) if last else _end_of_record(ahead)
        rows = _records(bytes(ahead[:end]), separator)
        del ahead[:end]
        if rows and not header:
            header.append(rows.pop(0))
            first = [name.removeprefix(BOM.decode()) for name in header[0]] if excel else [*header[0]]
            if [without_guard(name, separator) if excel else name for name in first] != [*columns]:
                raise Broken("its first line does not have the columns of the export")
        if last and not header:
            raise Broken("it has no first line")
        _check(rows, len(columns))
        yield [_plain(row, separator) for row in rows] if excel and rows else rows

    return _inflating(read, isal_zlib.MAX_WBITS + 16) if compressed else read


def jsonl_reader(columns: Sequence[str], compressed: bool) -> Reader:
    """A reader of JSON Lines with these keys."""
    ahead = bytearray()

    def read(data: bytes, last: bool) -> Iterator[Rows]:
        ahead.extend(data)
        end = ahead.rfind(b"\n") + 1
        try:
            objects = _OBJECTS.decode_lines(bytes(ahead[:end]))
            rows = [[as_cell(each[name]) or "" for name in columns] for each in objects]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as problem:
            raise Broken(f"a line is not an object with the columns of the export ({type(problem).__name__})") from None
        if any(len(each) != len(columns) for each in objects):
            raise Broken("a line has more than the columns of the export")
        del ahead[:end]
        if last and ahead:
            raise Broken("its last line is cut off")
        yield rows

    return _inflating(read, isal_zlib.MAX_WBITS + 16) if compressed else read


def sheet_reader(columns: Sequence[str]) -> Reader:
    """A reader of a sheet of a workbook with these columns, deflated as in the archive."""
    ahead = bytearray()
    header: list[Row] = []

    def read(data: bytes, last: bool) -> Iterator[Rows]:
        ahead.extend(data)
        end = ahead.rfind(workbook_rows.END_OF_ROW) + len(workbook_rows.END_OF_ROW)
        whole = bytes(ahead[:end]) if end >= len(workbook_rows.END_OF_ROW) else b""
        rows: list[Row] = []
        if whole:
            del ahead[:end]
            rows = [*workbook_rows.rows(whole)]
            if not header:
                header.append(rows.pop(0))
                if [*header[0]] != [*columns]:
                    raise Broken("its first row does not have the columns of the export")
        if last and (not header or not ahead.startswith(b"</sheetData>")):
            raise Broken("a sheet is cut off")
        _check(rows, len(columns))
        yield rows

    return _inflating(read, -isal_zlib.MAX_WBITS)


def _inflating(read: Reader, wbits: int) -> Reader:
    """A reader of deflated bytes."""
    inflate = isal_zlib.decompressobj(wbits)

    def inflated(data: bytes, last: bool) -> Iterator[Rows]:
        try:
            while True:
                plain = inflate.decompress(data, MOST_INFLATED)
                data = inflate.unconsumed_tail
                if not data and len(plain) < MOST_INFLATED:
                    break
                yield from read(plain, False)
        except isal_zlib.error:  # type: ignore[misc]  # its stub is wrong: this is a class
            raise Broken("its compressed bytes can't be read") from None
        if inflate.unused_data or (last and not inflate.eof):
            raise Broken("it is cut off, or something else follows")
        yield from read(plain, last)

    return inflated


def _end_of_record(data: bytearray) -> int:
    """The end of the last complete line. A line break within quotes does not end a line."""
    end = data.rfind(b"\r\n")
    while end >= 0 and data.count(b'"', 0, end) % 2:
        end = data.rfind(b"\r\n", 0, end)
    return end + 2 if end >= 0 else 0


def _records(data: bytes, separator: str) -> list[Row]:
    if data and not data.endswith(b"\r\n"):
        raise Broken("its last line is cut off")
    try:
        return [*csv.reader(io.StringIO(data.decode(), newline=""), delimiter=separator, strict=True)]
    except (csv.Error, UnicodeDecodeError):
        raise Broken("a line can't be read") from None


def _plain(row: Row, separator: str) -> Row:
    # Nearly no cell has an apostrophe.
    return [without_guard(cell, separator) if "'" in cell else cell for cell in row]


def _check(rows: Rows, columns: int) -> None:
    if any(len(row) != columns for row in rows):
        raise Broken("a line does not have the columns of the export")
