"""Reads rows from the sheets of a workbook that `workbook` has written: as cells of a CSV, without a guard.

Some values can't be in a workbook and are lost: see `workbook`. `as_kept` changes a cell of another file in the same
way, so that the two can be compared.
"""

import re
from datetime import timedelta

from shared.files import workbook
from shared.files.column import Kind

END_OF_ROW = b"</row>"
BEFORE_ROWS = b"<sheetData>"
_CELL = re.compile(r'<c((?: [a-z]+="\w+")*)(?:/>|>(?:<is><t xml:space="preserve">([^<]*)</t></is>|<v>([^<]*)</v>)</c>)')
_ESCAPED = re.compile(r"&(?:amp|lt|gt|#13);|_x005F_")
_PLAIN = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&#13;": "\r", "_x005F_": "_"}
_LOST = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FLAGS = {"1": "True", "0": "False"}


def rows(xml: bytes) -> list[list[str]]:
    """The cells of complete rows."""
    fragments = xml.decode().split(END_OF_ROW.decode())
    return [[_cell(*each) for each in _CELL.findall(row)] for row in fragments[:-1]]


def as_kept(cell: str, kind: Kind) -> str:
    """What `rows` would give for this cell of a CSV, if a workbook had it."""
    if kind == "time" and (serial := workbook.serial_of(cell)):
        return _moment(serial)
    if cell.isprintable() and len(cell) * 2 <= workbook.MAX_CELL:
        return cell
    return _LOST.sub("\ufffd", workbook.cut_short(cell))


def _cell(attributes: str, text: str, value: str) -> str:
    if value:
        if 't="b"' in attributes:
            return _FLAGS[value]
        return _moment(value) if 's="2"' in attributes else value
    if "&" in text or "_x005F" in text:
        return _ESCAPED.sub(lambda match: _PLAIN[match.group()], text)
    return text


def _moment(serial: str) -> str:
    """A point in time, to the millisecond: Excel's numbers are not more precise."""
    time = workbook.EPOCH + timedelta(milliseconds=round(float(serial) * 86_400_000))
    return time.isoformat(timespec="milliseconds" if time.microsecond else "seconds").replace("+00:00", "Z")
