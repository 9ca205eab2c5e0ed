"""Whether an export kept the promise: every user exactly once, or a clear failure. Evidence in, violations out."""

import csv
import gzip
import io
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import openpyxl

from local.chaos import changes
from local.chaos.changes import Changes
from local.truth import differences
from shared.storage.names import kept_users_name

Json = dict[str, Any]

GOOD = frozenset({"Completed", "CompletedWithErrors"})
BAD = frozenset({"Failed", "Cancelled"})
ONLY_SHOWN = frozenset({"download", "error", "advice", "type"})
"""What the answer has and results.json may not have: links, why there is no file, what codes mean, what it is."""
ENGINE_ENDED = frozenset({"Completed", "Failed", "Terminated"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that can be seen of an export when nothing runs any longer."""

    id: str
    users: Collection[str]
    """The object ids that should be in the file."""
    columns: tuple[str, ...]
    """The headers that were asked for."""
    code: int
    """The HTTP status of `GET /api/exports/{id}`, and its body."""
    shown: Json
    file: bytes | None
    """The content of the links; None where there is no link, or no file."""
    results: Json | None
    blobs: tuple[str, ...]
    """The names of the export's blobs, also under work/, and also those that have only uncommitted blocks."""
    instances: dict[str, str]
    """The engine's instances of the export and their statuses."""
    open_work: int
    """Activities that someone still owns, and messages that wait, in the engine."""
    listed: tuple[Json, ...]
    """Its entries in `GET /api/exports`."""
    cancelled: bool = False
    """Someone has asked to cancel it."""
    changes: Changes | None = None
    """Of a comparison: what it must say."""


def judge(seen: Evidence) -> list[str]:
    """Every way in which the promise is broken, a sentence each; none when it was kept."""
    status = seen.shown.get("status")
    violations = _engine(seen) + _list(seen)
    if seen.code == 200 and status in GOOD:
        violations += _file(seen) + _results(seen)
    elif (seen.code, status) in {(500, "Failed"), (200, "Cancelled")}:
        violations += _no_file(seen)
    else:
        return [*violations, f"GET answers {seen.code} with the status {status!r}"]
    return violations + _blobs(seen)


def _engine(seen: Evidence) -> list[str]:
    stuck = [f"{name} ({status})" for name, status in seen.instances.items() if status not in ENGINE_ENDED]
    violations = [f"instances have not ended: {', '.join(sorted(stuck))}"] if stuck else []
    if seen.id not in seen.instances:
        violations.append("the engine does not know the export")
    if seen.open_work:
        violations.append(f"the engine still has {seen.open_work} activities or messages of it")
    return violations


def _list(seen: Evidence) -> list[str]:
    statuses = [entry.get("status") for entry in seen.listed]
    return [] if statuses == [seen.shown.get("status")] else [f"the list shows it as {statuses}"]


def _file(seen: Evidence) -> list[str]:
    if seen.file is None:
        return ["the link to the file gives nothing"]
    violations = []
    try:
        header, *rows = _table(str(seen.shown["file"]["name"]), seen.file) or [[]]
    except Exception as problem:
        return [f"the file can't be read: {type(problem).__name__}: {problem}"]
    if seen.changes:
        return changes.in_file(seen.changes, header, rows)
    if tuple(header) != seen.columns:
        return [f"the header is {header}"]
    if ragged := sum(len(row) != len(header) for row in rows):
        violations.append(f"{ragged} rows have not as many cells as the header")
    place = header.index("objectId")
    users = differences({*seen.users}, (row[place] for row in rows if len(row) > place))
    counts = {
        "users are missing from the file": len(users.missing),
        "users are in the file more than once": len(users.doubled),
        "users in the file are not the tenant's": len(users.strange),
    }
    return violations + [f"{count} {text}" for text, count in counts.items() if count]


def _table(name: str, data: bytes) -> list[list[Any]]:
    """The rows of a file of any format, its header first."""
    data = gzip.decompress(data) if name.endswith(".gz") else data
    match name.removesuffix(".gz").rpartition(".")[2]:
        case "xlsx":
            sheets = [[[*row] for row in sheet.values] for sheet in openpyxl.load_workbook(io.BytesIO(data))]
            return sheets[0][:1] + [row for sheet in sheets for row in sheet[1:]]
        case "jsonl":
            lines = [json.loads(line) for line in data.decode().split("\n") if line]
            return [[*each] for each in lines[:1]] + [[*each.values()] for each in lines]
    return [*csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))]


def _results(seen: Evidence) -> list[str]:
    """What results.json says of the file, and whether it and the answer are the same."""
    if seen.results is None:
        return ["the link to the results gives nothing"]
    violations = [] if _same(seen) else ["results.json is not what GET shows"]
    users, file = len(seen.users), seen.results["file"] or {}
    if seen.changes:
        violations += changes.in_results(seen.changes, seen.results)
    elif (file.get("rows"), exported := seen.results["counts"]["exported"]) != (users, users):
        violations.append(f"the results count {file.get('rows')} rows of {users} users and {exported} as exported")
    if file.get("bytes") != len(seen.file or b""):
        violations.append(f"the results say {file.get('bytes')} bytes and the file has {len(seen.file or b'')}")
    if bool(seen.results["errors"]) != (seen.results["status"] == "CompletedWithErrors"):
        violations.append(f"{seen.results['status']} with {len(seen.results['errors'])} errors")
    return violations


def _same(seen: Evidence) -> bool:
    """The answer has a few things more, and perhaps not all the errors."""
    results = dict(seen.results or {})
    shown = {name: value for name, value in seen.shown.items() if name not in ONLY_SHOWN or name in results}
    errors = shown.pop("errors", [])
    return shown == {name: results[name] for name in results if name != "errors"} and (
        results["errors"][: len(errors)] == errors
    )


def _no_file(seen: Evidence) -> list[str]:
    violations = []
    if seen.shown["status"] == "Failed" and not all(
        error.get("code") and error.get("reason") for error in seen.shown.get("errors") or [{}]
    ):
        violations.append("Failed without a reason")
    if seen.shown["status"] == "Cancelled" and not seen.cancelled:
        violations.append("Cancelled, and nobody asked for it")
    if seen.shown.get("file") or seen.file is not None or "file" in seen.shown.get("download", {}):
        violations.append(f"{seen.shown['status']}, but it offers a file")
    if not (seen.shown.get("error") or {}).get("message"):
        violations.append(f"{seen.shown['status']}, and no error says why")
    if seen.results is not None and not _same(seen):
        violations.append("results.json is not what GET shows")
    return violations


def _blobs(seen: Evidence) -> list[str]:
    """Exactly the blobs that are promised, and nothing under work/."""
    promised = {f"{seen.id}/request.json"}
    # An orchestration that failed has no results file (NoResults): the answer is made from the request.
    if seen.shown.get("completedDateTime"):
        promised.add(f"{seen.id}/results.json")
    if seen.shown["status"] in GOOD:
        promised.add(f"{seen.id}/{seen.shown['file']['name']}")
    if (seen.shown.get("request") or {}).get("users"):
        # For an export that is asked for again.
        promised.add(kept_users_name(seen.id))
    there = set(seen.blobs)
    left_over, missing = sorted(there - promised), sorted(promised - there)
    return [f"a blob is left over: {name}" for name in left_over] + [f"a blob is missing: {name}" for name in missing]
