"""Is every user of the tenant in a file exactly once?"""

import csv
import gzip
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from local.truth import differences


class WrongFileError(Exception):
    """The project's own file is not right: nothing that was measured counts then."""


@dataclass(frozen=True, slots=True)
class Match:
    """A file beside the tenant's own list: numbers of users."""

    users: int
    missing: int
    doubled: int
    strange: int

    @property
    def exact(self) -> bool:
        return not (self.missing or self.doubled or self.strange)


def ids(tenant: str, **scope: str) -> set[str]:
    """The object ids of everyone in the tenant, or in this scope of it."""
    answer = httpx.get(f"{tenant}/_tenant/ids", params=scope, timeout=120, trust_env=False)
    return set(answer.raise_for_status().text.split())


def calls(tenant: str) -> int:
    """What Graph was asked so far; each request of a batch is a call, as Graph counts them."""
    answer = httpx.get(f"{tenant}/_tenant/stats", timeout=120, trust_env=False)
    counted: dict[str, int] = answer.raise_for_status().json()["requests"]
    return sum(count for name, count in counted.items() if name != "batch")


_ID_CELL = re.compile(rb">([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})<")
"""Of a workbook: no other cell of these columns is an id and nothing else."""
_CHUNK = 2**20


def compare(wanted: set[str], file: Path, column: str = "id") -> Match:
    """`column`: where the object ids are. The file's ending says what it is."""
    found = differences(wanted, _ids_in(file, column))
    return Match(len(wanted), len(found.missing), len(found.doubled), len(found.strange))


def _ids_in(file: Path, column: str) -> Iterator[str]:
    if file.suffix == ".xlsx":
        yield from _ids_in_workbook(file)
        return
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as text:
        if ".jsonl" in file.suffixes:
            yield from (json.loads(line)[column] for line in text)
            return
        reader = csv.reader(text)
        at = next(reader).index(column)
        yield from (row[at] for row in reader)


def _ids_in_workbook(file: Path) -> Iterator[str]:
    """Piece by piece: a sheet has hundreds of megabytes."""
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if not name.startswith("xl/worksheets/"):
                continue
            rest = b""
            with archive.open(name) as sheet:
                while chunk := sheet.read(_CHUNK):
                    rows, _, rest = (rest + chunk).rpartition(b"</row>")
                    yield from (each.decode() for each in _ID_CELL.findall(rows))
