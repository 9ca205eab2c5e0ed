"""Where a workbook, which is a zip archive, has its sheets: read from the last bytes of the file. Pure."""

import zipfile
from dataclasses import dataclass

from shared.files import workbook
from shared.files.reading import Broken

TAIL = 256 * 1024
"""More than a workbook's directory takes."""
LOCAL_HEADER = 30


def sheets(tail: bytes, size: int) -> list[tuple[int, int]]:
    """Where the entry of each sheet begins, in their order, and the length of its content. `size`: of the file.

    `tail`: the last TAIL bytes of the file, or all of a smaller one.
    """
    try:
        with zipfile.ZipFile(_Tail(tail, size)) as archive:
            entries = {each.filename: each for each in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, OSError):
        raise Broken("it is no workbook, or is cut off") from None
    places: list[tuple[int, int]] = []
    while entry := entries.get(workbook.sheet_name(len(places) + 1)):
        places.append((entry.header_offset, entry.compress_size))
    if not places:
        raise Broken("it has no sheet")
    return places


def content_after(header: bytes) -> int:
    """How many bytes after the beginning of an entry its content begins. `header`: its first LOCAL_HEADER bytes."""
    if len(header) < LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise Broken("it is no workbook, or is cut off")
    return LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


@dataclass(slots=True)
class _Tail:
    """A file of which only the last bytes can be read: the directory of a zip is there."""

    tail: bytes
    size: int
    at: int = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, size: int = -1) -> bytes:
        begin = self.at - (self.size - len(self.tail))
        if begin < 0:
            raise ValueError("Too far from the end.")
        data = self.tail[begin:] if size is None or size < 0 else self.tail[begin : begin + size]
        self.at += len(data)
        return data
