"""What a format has written is read back: each row, each cell, however the bytes come."""

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.files import archive, deflate, formats, reading, workbook_rows
from shared.files.column import Column, Kind
from shared.files.reading import Broken, Reader

HEADERS = ["objectId", "=1+1", "city"]
HARD = st.text("a='\"+-@;,\r\n\t\0\x0b\x85é日😀&<>_x00041\ufffe") | st.sampled_from(
    [
        "'=1",
        "''=1",
        "a;=1",
        "a;'=1",
        "_x0041_",
        "_x005F_x0041_",
        "x" * 40_000,
        "😀" * 17_000,
        "&amp;",
        "\r\n=1",
        "+1 (2)",
    ]
)
tables = st.lists(st.lists(HARD, min_size=3, max_size=3), max_size=12)
FORMATS = [
    pytest.param({"name": "csv"}, id="csv"),
    pytest.param({"name": "csv", "separator": ";", "compress": True}, id="csv.gz"),
    pytest.param({"name": "csv", "separator": ";"}, id="semicolons"),
    pytest.param({"name": "csv", "excel": False}, id="plain"),
    pytest.param({"name": "jsonl"}, id="jsonl"),
    pytest.param({"name": "jsonl", "compress": True}, id="jsonl.gz"),
    pytest.param({"name": "xlsx", "sheet_users": 3}, id="xlsx"),
]


def columns_of(kinds: Sequence[Kind] = ("text", "text", "text")) -> list[Column]:
    found = []
    for at, (header, kind) in enumerate(zip(HEADERS, kinds, strict=True)):
        take: Any = operator.itemgetter(at)
        found.append(Column(header, "", take, take, kind))
    return found


def file_of(table: Sequence[Sequence[Any]], how: dict[str, Any], columns: list[Column] | None = None) -> bytes:
    """As an export makes it: rows in blocks of two, and what belongs around them."""
    columns, file = columns or columns_of(), formats.chosen(**how)
    blocks, about = [], []
    for first in range(0, len(table), 2):
        some: Any = table[first : first + 2]
        data, _ = file.rows(some, columns)
        data, segment = deflate.segment(data, len(some)) if file.deflated else (data, deflate.Segment(0, 0, 0, 0))
        blocks.append(data)
        about.append(segment)
    found, rest = b"", iter(blocks)
    for piece, following in file.around(columns, about):
        found += piece + b"".join(next(rest) for _ in range(following))
    return found


def read(file: bytes, how: dict[str, Any], cut: Callable[[int], int] = lambda size: size) -> list[list[str]]:
    """The rows; `cut`: how many of so many bytes come at a time."""
    if how["name"] == "xlsx":
        size = len(file)
        found = []
        for start, length in archive.sheets(file[-archive.TAIL :], size):
            begin = start + archive.content_after(file[start : start + archive.LOCAL_HEADER])
            found += _rows(reading.sheet_reader(HEADERS), file[begin : begin + length], cut)
        return found
    compress = bool(how.get("compress"))
    if how["name"] == "jsonl":
        return _rows(reading.jsonl_reader(HEADERS, compress), file, cut)
    reader = reading.csv_reader(HEADERS, how.get("separator", ","), how.get("excel", True), compress)
    return _rows(reader, file, cut)


def _rows(reader: Reader, data: bytes, cut: Callable[[int], int]) -> list[list[str]]:
    return [[*row] for piece, last in _pieces(data, cut) for some in reader(piece, last) for row in some]


def _pieces(data: bytes, cut: Callable[[int], int]) -> Iterator[tuple[bytes, bool]]:
    while True:
        size = cut(len(data))
        piece, data = data[:size], data[size:]
        yield piece, not data
        if not data:
            return


@pytest.mark.parametrize("how", FORMATS)
@settings(max_examples=40, deadline=None)
@given(table=tables, chance=st.randoms(use_true_random=False))
def test_each_row_is_read_back_however_the_bytes_come(how: dict[str, Any], table: list[list[str]], chance: Any) -> None:
    def cut(size: int) -> int:
        return max(1, int(chance.randint(size // 10, size)))

    lossy = how["name"] == "xlsx"
    expected = [[workbook_rows.as_kept(cell, "text") if lossy else cell for cell in row] for row in table]
    assert read(file_of(table, how), how, cut) == expected


def test_a_workbooks_types_are_read_as_a_csv_has_them() -> None:
    columns = columns_of(("boolean", "number", "time"))
    table = [
        (True, 5, "2024-01-02T03:04:05Z"),
        (False, -1, "2024-01-02T03:04:05.1239999Z"),
        (None, None, "0001-01-01T00:00:00Z"),
        ("odd", "odd", "never"),
    ]
    assert read(file_of(table, {"name": "xlsx"}, columns), {"name": "xlsx"}) == [
        ["True", "5", "2024-01-02T03:04:05Z"],
        ["False", "-1", "2024-01-02T03:04:05.124Z"],
        ["", "", "0001-01-01T00:00:00Z"],
        ["odd", "odd", "never"],
    ]
    for _, _, time in table:
        kept = workbook_rows.as_kept(time, "time")
        assert kept == workbook_rows.as_kept(kept, "time")
    assert workbook_rows.as_kept("2024-01-02T03:04:05.1239999Z", "time") == "2024-01-02T03:04:05.124Z"


def test_types_of_json_are_read_as_a_csv_has_them() -> None:
    table = [(True, 5, None), ("a", ["b", None, "a"], {"x": 1})]
    assert read(file_of(table, {"name": "jsonl"}), {"name": "jsonl"}) == [["True", "5", ""], ["a", "a; b", '{"x":1}']]


@pytest.mark.parametrize("how", FORMATS)
def test_a_file_that_is_cut_off_or_has_other_columns_is_broken(how: dict[str, Any]) -> None:
    table = [["1", "a", "Rome"], ["2", "b", "Oslo"], ["3", "c", 'New "York"'], ["4", "d", "x,y;z"]]
    whole = file_of(table, how)
    for end in {1, 21, len(whole) // 2, len(whole) - 1}:
        with pytest.raises(Broken):
            read(whole[:end], how)
    other = columns_of()
    other[1] = Column("mail", "", other[1].cell, other[1].value)
    with pytest.raises(Broken):
        read(file_of(table, how, other), how)


@pytest.mark.parametrize("how", FORMATS)
def test_what_is_no_such_file_is_broken(how: dict[str, Any]) -> None:
    for data in (b"", b"<html></html>\r\n", b"\0" * 100):
        if data or how["name"] != "jsonl" or how.get("compress"):
            with pytest.raises(Broken):
                read(data, how)


def test_a_small_file_can_be_much_larger_inside_and_is_read_in_pieces() -> None:
    how = {"name": "csv", "compress": True}
    table = [["1", "a", "x" * 3_000_000] for _ in range(12)]
    reader = reading.csv_reader(HEADERS, ",", True, True)
    sizes = [sum(map(len, row)) for some in reader(file_of(table, how), True) for row in some]
    assert len(sizes) == 12
