"""Where the sheets lie in a workbook, whose file is a zip archive: read from its last bytes. Pure."""

import zipfile
from dataclasses import dataclass

from shared.files import workbook
from shared.files.reading import Broken

TAIL = 256 * 1024
"""More than a workbook's directory takes."""
LOCAL_HEADER = 30


def sheets(tail: bytes, size: int) -> list[tuple[int, int]]:
    """Of the sheets of a workbook of so many bytes, in their order: where the entry begins, and its content's length.

    `tail`: the file's last bytes, TAIL of them where it has so many.
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
    """How many bytes after the beginning of an entry its content begins; its first LOCAL_HEADER bytes tell."""
    if len(header) < LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise Broken("it is no workbook, or is cut off")
    return LOCAL_HEADER + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


@dataclass(slots=True)
class _Tail:
    """The last bytes of a file, in their places: all that a zip's directory needs."""

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
