"""Workbooks: what readers find in them is what was put in, cell by cell."""

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.files import deflate, workbook, zip64
from shared.files.column import Kind
from shared.files.workbook import Value

CHECK = os.environ.get("XLSX_CHECK")
KINDS: tuple[Kind, ...] = ("text", "boolean", "number", "time", "text")
HEADERS = ("name", "enabled", "days", "created", "city")


def archive(sheets: Sequence[Sequence[Sequence[Sequence[Value]]]]) -> bytes:
    """A workbook of these sheets, each of blocks, each a table of columns."""
    entries, data = [], b""
    users = []
    for number, blocks in enumerate(sheets, 1):
        pieces = [deflate.segment(workbook.sheet_head(HEADERS, [12] * 5))]
        pieces += [deflate.segment(workbook.rows(block, KINDS)[0], len(block[0])) for block in blocks]
        users.append(sum(about.users for _, about in pieces))
        pieces.append(deflate.segment(workbook.sheet_tail(5, users[-1])))
        whole = deflate.joined(about for _, about in pieces)
        entry = zip64.Entry(workbook.sheet_name(number), whole.size + len(deflate.END), whole.plain, whole.crc)
        data += zip64.local_header(entry) + b"".join(piece for piece, _ in pieces) + deflate.END
        entries.append(entry)
    for name, content in workbook.parts(len(sheets), 5, users).items():
        piece, about = deflate.segment(content)
        entry = zip64.Entry(name, about.size + len(deflate.END), about.plain, about.crc)
        data += zip64.local_header(entry) + piece + deflate.END
        entries.append(entry)
    return data + zip64.directory(entries)


def table(*rows: tuple[Value, ...]) -> list[list[Value]]:
    return [list(column) for column in zip(*rows, strict=True)]


ROWS: tuple[tuple[Value, ...], ...] = (
    ("0123", True, 12, "2024-02-29T12:34:56Z", "=1+1"),
    ("12345678901234567890", False, 0.5, "1601-01-01T00:00:00Z", " a & <b> "),
    ("a\r\nb\tc\x0bd\ud83de", None, None, None, "_x0041_ and _x12"),
    ("+31 20", True, -1, "not a time", "é😀"),
)


def test_a_reader_finds_typed_cells_and_texts_that_stay_texts() -> None:
    book = openpyxl.load_workbook(io.BytesIO(archive([[table(*ROWS[:2]), table(*ROWS[2:])]])))
    sheet = book.active
    assert sheet is not None
    found = [list(row) for row in sheet.iter_rows(values_only=True)]

    assert found[0] == list(HEADERS)
    assert found[1] == ["0123", True, 12, datetime(2024, 2, 29, 12, 34, 56), "=1+1"]  # noqa: DTZ001
    assert found[2] == ["12345678901234567890", False, 0.5, "1601-01-01T00:00:00Z", " a & <b> "]
    assert found[3] == ["a\r\nb\tc�d�e", None, None, None, "_x005F_x0041_ and _x12"]
    assert found[4] == ["+31 20", True, -1, "not a time", "é😀"]
    assert sheet["E2"].data_type == "s"
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:E5"


@pytest.mark.skipif(not CHECK, reason="XLSX_CHECK does not name Microsoft's validator")
def test_microsofts_validator_finds_nothing_and_its_reader_finds_the_same(tmp_path: Path) -> None:
    file = tmp_path / "users.xlsx"
    file.write_bytes(archive([[table(*ROWS)], [table(*ROWS[:1]), table(*ROWS[1:])], []]))
    checked = subprocess.run([str(CHECK), str(file)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    rows = subprocess.run([str(CHECK), str(file), "--rows"], capture_output=True, text=True, check=True).stdout
    read = [json.loads(line) for line in rows.splitlines()]
    assert len(read) == 3 + 4 + 4


def test_a_cell_is_cut_where_excel_would_refuse_it_and_is_counted() -> None:
    data, cut = workbook.rows([["a" * 32_767, "a" * 32_768, "😀" * 16_384, ""]], ["text"])

    assert cut == [2]
    text = data.decode()
    assert f">{'a' * 32_767}<" in text
    assert "a" * 32_768 not in text
    assert f">{'😀' * 16_383}<" in text


@settings(max_examples=60)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5))
def test_any_text_comes_back_as_it_is_but_for_what_xml_has_no_place_for(cells: list[str]) -> None:
    rows = [(cell, None, None, None, None) for cell in cells]
    book = openpyxl.load_workbook(io.BytesIO(archive([[table(*rows)]])))
    sheet = book.active
    assert sheet is not None
    found = [row[0] for row in sheet.iter_rows(min_row=2, max_col=1, values_only=True)]
    forbidden = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF], "�")
    assert found == [cell.translate(forbidden) for cell in cells]


def test_an_archive_above_four_gibibytes_has_the_fields_of_zip64() -> None:
    small, large = zip64.Entry("a.xml", 10, 20, 1), zip64.Entry("b.xml", 5 << 30, 9 << 30, 2)
    head = zip64.local_header(large)
    assert head[18:26] == b"\xff" * 8
    assert int.from_bytes(head[-16:-8], "little") == 9 << 30
    listed = zip64.directory([small, large, small])

    class Sparse(io.RawIOBase):
        """The archive without the entries' bytes: the directory is all that is read."""

        size = 2 * (len(zip64.local_header(small)) + 10) + len(head) + (5 << 30) + len(listed)
        at = 0

        def seekable(self) -> bool:
            return True

        def readable(self) -> bool:
            return True

        def tell(self) -> int:
            return self.at

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset + (0, self.at, self.size)[whence]
            return self.at

        def read(self, size: int = -1) -> bytes:
            start = self.at - (self.size - len(listed))
            assert start >= 0
            found = listed[start:] if size < 0 else listed[start : start + size]
            self.at += len(found)
            return found

    with zipfile.ZipFile(Sparse()) as found:
        sizes = [(each.filename, each.compress_size, each.file_size, each.CRC) for each in found.infolist()]
    assert sizes == [("a.xml", 10, 20, 1), ("b.xml", 5 << 30, 9 << 30, 2), ("a.xml", 10, 20, 1)]


@pytest.mark.parametrize(("column", "name"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA")])
def test_columns_have_excels_names(column: int, name: str) -> None:
    assert workbook.letters(column) == name


def test_times_are_the_numbers_that_excel_has_for_them() -> None:
    data, _ = workbook.rows([["1900-03-01T00:00:00Z", "2024-02-29T12:00:00Z", "1900-02-28T00:00:00Z"]], ["time"])
    assert b"<v>61</v>" in data
    assert b"<v>45351.5</v>" in data
    assert b">1900-02-28T00:00:00Z<" in data
    assert (datetime(2024, 2, 29, tzinfo=UTC) - datetime(1899, 12, 30, tzinfo=UTC)).days == 45351
