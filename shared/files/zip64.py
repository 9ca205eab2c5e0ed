"""The headers and the directory of a zip archive, from the sizes and CRCs of its files, without their bytes.

From PKWARE's APPNOTE.TXT. Sizes and places above 4 GiB need the fields of Zip64.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_LIMIT = 0xFFFFFFFF
_DEFLATED = 8
_UTF8 = 0x800
_DATE = 0x21
"""1 January 1980, the first day that a zip knows: so the same content gives the same bytes."""
_PLAIN, _ZIP64 = 20, 45
"""Versions that are needed to extract: 2.0 and 4.5."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A deflated file of the archive: its bytes deflated and plain, and the CRC-32 of the plain ones."""

    name: str
    size: int
    plain: int
    crc: int


def local_header(entry: Entry) -> bytes:
    """What comes before the entry's bytes."""
    name = entry.name.encode()
    large = max(entry.size, entry.plain) >= _LIMIT
    extra = struct.pack("<HHQQ", 1, 16, entry.plain, entry.size) if large else b""
    sizes = (_LIMIT, _LIMIT) if large else (entry.size, entry.plain)
    fields = (_ZIP64 if large else _PLAIN, _UTF8, _DEFLATED, 0, _DATE, entry.crc, *sizes, len(name), len(extra))
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", *fields) + name + extra


def directory(entries: Sequence[Entry]) -> bytes:
    """What comes after all entries. These follow each other from the first byte of the archive."""
    place, listed = 0, b""
    for entry in entries:
        listed += _listed(entry, place)
        place += len(local_header(entry)) + entry.size
    if place + len(listed) < _LIMIT:
        return listed + _end(len(entries), len(listed), place)
    whole = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, _ZIP64, _ZIP64, 0, 0, len(entries), len(entries), len(listed), place
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, place + len(listed), 1)
    return listed + whole + locator + _end(len(entries), min(len(listed), _LIMIT), min(place, _LIMIT))


def _listed(entry: Entry, place: int) -> bytes:
    name = entry.name.encode()
    # Only the values that do not fit, in this order.
    large = [value for value in (entry.plain, entry.size, place) if value >= _LIMIT]
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    version = _ZIP64 if large else _PLAIN
    fields = (
        version,
        version,
        _UTF8,
        _DEFLATED,
        0,
        _DATE,
        entry.crc,
        min(entry.size, _LIMIT),
        min(entry.plain, _LIMIT),
    )
    lengths = (len(name), len(extra), 0, 0, 0, 0, min(place, _LIMIT))
    return struct.pack("<4s6H3I5H2I", b"PK\x01\x02", *fields, *lengths) + name + extra


def _end(entries: int, size: int, place: int) -> bytes:
    return struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, entries, entries, size, place, 0)
