"""An Excel workbook (ECMA-376, SpreadsheetML) with typed cells, in pieces that are written separately.

Cells are inline strings, numbers, booleans and dates, so that a spreadsheet changes nothing: leading zeros stay, long
numbers are not rounded, and a text is never a formula. Characters that XML forbids become U+FFFD, and texts that are
too long for a cell are cut.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from shared.files.column import Kind

Value = str | bool | int | float | None

MAX_ROWS = 1_048_576
"""Of a sheet, including the header."""
MAX_CELL = 32_767
"""Characters of a cell. Excel counts those above U+FFFF twice."""

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_NEEDS_CARE = re.compile(r"[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
"""Markup, characters that XML forbids, and the beginning of an escape that Excel would decode."""
EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
_FIRST_DAY = datetime(1900, 3, 1, tzinfo=UTC)
"""Excel has a 29 February 1900, so its earlier days differ from the calendar's."""
_TEXT, _TEXT_END, _EMPTY, _CELL = '<c t="inlineStr"><is><t xml:space="preserve">', "</t></is></c>", "<c/>", "\0"
_BOOLEANS = {True: '<c t="b"><v>1</v></c>', False: '<c t="b"><v>0</v></c>', None: _EMPTY}


def rows(table: Sequence[Sequence[Value]], kinds: Sequence[Kind]) -> tuple[bytes, list[int]]:
    """The rows of a table that is given column by column, and how many cells of each column were cut.

    Times are texts as Graph sends them. A time that Excel has no day for stays a text.
    """
    cut = [0] * len(kinds)
    columns: list[list[str]] = []
    for at, (values, kind) in enumerate(zip(table, kinds, strict=True)):
        if kind == "text":
            cells, cut[at] = _texts(["" if value is None else str(value) for value in values])
        else:
            cells = [_typed(value, kind) for value in values]
        columns.append(cells)
    # Each row by itself: in one text of all rows, a single emoji would make every letter four bytes.
    return b"".join([f"<row>{''.join(row)}</row>".encode() for row in zip(*columns, strict=True)]), cut


def sheet_head(headers: Sequence[str], widths: Sequence[int]) -> bytes:
    """What comes before the rows. The header stays visible. Widths are in characters."""
    columns = "".join(
        f'<col min="{at}" max="{at}" width="{width}" customWidth="1"/>' for at, width in enumerate(widths, 1)
    )
    cells, _ = _texts(list(headers))
    bold = "".join(cells).replace('<c t="inlineStr">', '<c s="1" t="inlineStr">')
    return (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
        '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f"<cols>{columns}</cols><sheetData><row>{bold}</row>"
    ).encode()


def sheet_tail(columns: int, users: int) -> bytes:
    """What comes after the rows: the filter buttons of the header."""
    return f'</sheetData><autoFilter ref="A1:{letters(columns)}{users + 1}"/></worksheet>'.encode()


def letters(column: int) -> str:
    """A column's name: 1 is A, 27 is AA."""
    name = ""
    while column:
        column, at = divmod(column - 1, 26)
        name = chr(ord("A") + at) + name
    return name


def sheet_name(sheet: int) -> str:
    """Where a sheet is in the archive; the first is 1."""
    return f"xl/worksheets/sheet{sheet}.xml"


def parts(sheets: int, columns: int, users: Sequence[int]) -> dict[str, bytes]:
    """The files of the archive besides the sheets. `users`: how many are on each sheet."""
    numbers = range(1, sheets + 1)
    overrides = "".join(
        f'<Override PartName="/{sheet_name(at)}" ContentType="{_TYPE}.worksheet+xml"/>' for at in numbers
    )
    listed = "".join(f'<sheet name="{_title(at, sheets)}" sheetId="{at}" r:id="rId{at}"/>' for at in numbers)
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{at - 1}" hidden="1">'
        f"'{_title(at, sheets)}'!$A$1:${letters(columns)}${users[at - 1] + 1}</definedName>"
        for at in numbers
    )
    relations = "".join(
        f'<Relationship Id="rId{at}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at in numbers
    )
    return {
        "[Content_Types].xml": (
            f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{overrides}</Types>'
        ).encode(),
        "_rels/.rels": (
            f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
            f' Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
        ).encode(),
        "xl/workbook.xml": (
            f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}">'
            f"<bookViews><workbookView/></bookViews><sheets>{listed}</sheets>"
            f"<definedNames>{filters}</definedNames></workbook>"
        ).encode(),
        "xl/_rels/workbook.xml.rels": (
            f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{relations}'
            f'<Relationship Id="rId{sheets + 1}" Type="{_RELATIONS}/styles" Target="styles.xml"/></Relationships>'
        ).encode(),
        "xl/styles.xml": (
            f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="1">'
            '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
            '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
            '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
            '<fills count="2"><fill><patternFill patternType="none"/></fill>'
            '<fill><patternFill patternType="gray125"/></fill></fills>'
            '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
            '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
            '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
            '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>'
            '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
            '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
        ).encode(),
    }


def _title(sheet: int, sheets: int) -> str:
    return "Users" if sheets == 1 else f"Users {sheet}"


def _texts(cells: list[str]) -> tuple[list[str], int]:
    """The cells of a column of texts, and how many of them were cut."""
    cut = 0
    if max(map(len, cells), default=0) * 2 > MAX_CELL:
        short = [cut_short(cell) for cell in cells]
        cut = sum(len(before) != len(after) for before, after in zip(cells, short, strict=True))
        cells = short
    if not _is_plain("".join(cells)):
        cells = [_NEEDS_CARE.sub(_replaced, cell) for cell in cells]
    return [f"{_TEXT}{cell}{_TEXT_END}" if cell else _EMPTY for cell in cells], cut


def _is_plain(column: str) -> bool:
    """True for most columns: one look instead of one for each letter. Nothing that XML forbids is printable."""
    return column.isprintable() and not any(mark in column for mark in ("&", "<", ">", "_x"))


def cut_short(cell: str) -> str:
    """As much of the text as a cell can hold."""
    if len(cell) + sum(letter > "\uffff" for letter in cell) <= MAX_CELL:
        return cell
    return cell.encode("utf-16-le", "surrogatepass")[: 2 * MAX_CELL].decode("utf-16-le", "ignore")


def _replaced(match: re.Match[str]) -> str:
    text = match.group()
    if text == "_":
        return "_x005F_"
    return _MARKUP.get(text, "\ufffd")


def _typed(value: Value, kind: Kind) -> str:
    if value is None or value == "":
        return _EMPTY
    if kind == "boolean" and isinstance(value, bool):
        return _BOOLEANS[value]
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return f"<c><v>{value!r}</v></c>"
    if kind == "time" and isinstance(value, str) and (serial := serial_of(value)):
        return f'<c s="2"><v>{serial}</v></c>'
    return _texts([str(value)])[0][0]


def serial_of(text: str) -> str:
    """Excel's number for a point in time in UTC; empty where it has none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return ""
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time < _FIRST_DAY:
        return ""
    days = time - EPOCH
    return f"{days.days + (days.seconds + days.microseconds / 1e6) / 86_400:.10f}".rstrip("0").rstrip(".")
