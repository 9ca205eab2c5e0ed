"""The judge of the chaos rounds finds every way in which an export can break its promise."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from local.chaos.changes import FIRST, Change, Changes
from local.chaos.judge import Evidence, judge

ID = "fe5dfa5b-e442-8f2c-86ae-0a496638fec8"
USERS = ("u1", "u2", "u3")
HEADER = ("objectId", "displayName")


def file_of(*rows: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (",".join(HEADER), *rows)).encode("utf-8-sig")


CSV = file_of("u1,Ann", '"u2","Bob, B."', "u3,")
RESULTS: dict[str, Any] = {
    "id": ID,
    "status": "Completed",
    "completedDateTime": "2026-01-01T00:00:00Z",
    "counts": {"exported": 3, "expected": 3, "errors": 0},
    "file": {"name": "users.csv", "rows": 3, "bytes": len(CSV)},
    "errors": [],
}
WHY = {"error": {"code": "StateLost", "message": "It is gone."}}
LINKS = {"file": "https://...", "results": "https://..."}
COMPLETED = Evidence(
    id=ID,
    users=USERS,
    columns=HEADER,
    code=200,
    shown=RESULTS | {"type": "export", "download": LINKS},
    file=CSV,
    results=RESULTS,
    blobs=(f"{ID}/request.json", f"{ID}/results.json", f"{ID}/users.csv"),
    instances={ID: "Completed", f"{ID}:0-0": "Completed"},
    open_work=0,
    listed=({"id": ID, "status": "Completed"},),
)
BROKEN = RESULTS | {"status": "Failed", "file": None, "errors": [{"code": "StateLost", "reason": "It is gone."}]}
FAILED = replace(
    COMPLETED,
    code=500,
    shown=BROKEN | WHY | {"download": {"results": "https://..."}},
    file=None,
    results=BROKEN,
    blobs=(f"{ID}/request.json", f"{ID}/results.json"),
    listed=({"id": ID, "status": "Failed"},),
)
STOPPED = BROKEN | {"status": "Cancelled", "errors": []}
CANCELLED = replace(
    FAILED,
    code=200,
    shown=STOPPED | WHY | {"download": {}},
    results=STOPPED | WHY,
    listed=({"id": ID, "status": "Cancelled"},),
    cancelled=True,
)
NO_RESULTS = replace(
    FAILED,
    shown={name: value for name, value in BROKEN.items() if name != "completedDateTime"} | WHY | {"download": {}},
    results=None,
    blobs=(f"{ID}/request.json",),
    instances={ID: "Failed"},
)


def with_file(file: bytes) -> Evidence:
    """A file whose size at least is what the results say."""
    results = RESULTS | {"file": RESULTS["file"] | {"bytes": len(file)}}
    return replace(COMPLETED, file=file, results=results, shown=results | {"download": LINKS})


def with_results(**changes: Any) -> Evidence:
    return replace(COMPLETED, results=RESULTS | changes, shown=RESULTS | changes | {"download": LINKS})


@pytest.mark.parametrize("seen", [COMPLETED, FAILED, CANCELLED, NO_RESULTS], ids=lambda seen: seen.shown["status"])
def test_an_export_that_kept_the_promise_has_no_violation(seen: Evidence) -> None:
    assert judge(seen) == []


def test_an_answer_may_show_only_the_first_errors() -> None:
    errors = [{"code": "accessDenied", "reason": f"{number}"} for number in range(3)]
    results = RESULTS | {"status": "CompletedWithErrors", "errors": errors}
    shown = results | {"errors": errors[:2], "download": LINKS}
    listed = ({"id": ID, "status": "CompletedWithErrors"},)
    assert judge(replace(COMPLETED, results=results, shown=shown, listed=listed)) == []


@pytest.mark.parametrize(
    ("seen", "violation"),
    [
        (with_file(file_of("u1,Ann", "u2,Bob")), "1 users are missing from the file"),
        (with_file(file_of("u1,Ann", "u2,Bob", "u2,Bob", "u3,Cy")), "1 users are in the file more than once"),
        (with_file(file_of("u1,Ann", "u2,Bob", "u3,Cy", "u4,Di")), "1 users in the file are not the tenant's"),
        (with_file(file_of("u1,Ann", "u2,Bob", "u3")), "1 rows have not as many cells as the header"),
        (with_file(b"objectId\r\nu1\r\nu2\r\nu3\r\n"), "the header is ['objectId']"),
        (with_file(b""), "the header is []"),
        (replace(COMPLETED, file=None), "the link to the file gives nothing"),
        (replace(COMPLETED, file=CSV + b"\r\n"), f"the results say {len(CSV)} bytes and the file has {len(CSV) + 2}"),
        (replace(COMPLETED, results=None), "the link to the results gives nothing"),
        (replace(COMPLETED, results=RESULTS | {"warnings": [1]}), "results.json is not what GET shows"),
        (with_results(counts={"exported": 2}), "the results count 3 rows of 3 users and 2 as exported"),
        (with_results(errors=[{"code": "a", "reason": "b"}]), "Completed with 1 errors"),
        (replace(COMPLETED, blobs=(*COMPLETED.blobs, f"work/{ID}/plan.json")), "left over: work/"),
        (replace(COMPLETED, blobs=COMPLETED.blobs[1:]), f"a blob is missing: {ID}/request.json"),
        (replace(COMPLETED, instances={ID: "Completed", f"{ID}:0-1": "Running"}), f"not ended: {ID}:0-1 (Running)"),
        (replace(COMPLETED, instances={}), "the engine does not know the export"),
        (replace(COMPLETED, open_work=2), "the engine still has 2 activities or messages of it"),
        (replace(COMPLETED, listed=()), "the list shows it as []"),
        (replace(COMPLETED, listed=COMPLETED.listed * 2), "the list shows it as ['Completed', 'Completed']"),
        (replace(COMPLETED, listed=({"status": "InProgress"},)), "the list shows it as ['InProgress']"),
        (replace(COMPLETED, code=500), "GET answers 500 with the status 'Completed'"),
        (replace(COMPLETED, code=404, shown={"title": "Not found"}), "GET answers 404 with the status None"),
        (replace(FAILED, code=200), "GET answers 200 with the status 'Failed'"),
        (replace(FAILED, blobs=(*FAILED.blobs, f"{ID}/users.csv")), f"a blob is left over: {ID}/users.csv"),
        (replace(CANCELLED, blobs=(*FAILED.blobs, f"{ID}/users.csv")), f"a blob is left over: {ID}/users.csv"),
        (replace(FAILED, shown=FAILED.shown | {"errors": []}, results=None), "Failed without a reason"),
        (replace(FAILED, shown=FAILED.shown | {"download": {"file": "https://..."}}), "Failed, but it offers a file"),
        (replace(CANCELLED, cancelled=False), "Cancelled, and nobody asked for it"),
        (replace(CANCELLED, shown=STOPPED | {"download": {}}), "Cancelled, and no error says why"),
    ],
)
def test_a_broken_promise_is_found(seen: Evidence, violation: str) -> None:
    assert any(violation in found for found in judge(seen)), judge(seen)


def as_workbook(*rows: tuple[str, ...]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in (HEADER, *rows):
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def as_json(*rows: tuple[str, ...]) -> bytes:
    return gzip.compress("".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows).encode())


@pytest.mark.parametrize(("make", "name"), [(as_workbook, "users.xlsx"), (as_json, "users.jsonl.gz")])
def test_a_file_of_any_format_is_judged_by_its_users(make: Callable[..., bytes], name: str) -> None:
    def found(*users: str) -> list[str]:
        seen = with_file(make(*((user, "Ann") for user in users)))
        results = seen.shown | {"file": seen.shown["file"] | {"name": name}}
        kept = {key: value for key, value in results.items() if key != "download"}
        return judge(replace(seen, shown=results, results=kept, blobs=(*FAILED.blobs, f"{ID}/{name}")))

    assert found("u1", "u2", "u3") == []
    assert found("u1", "u2", "u2", "u3") == ["1 users are in the file more than once"]
    assert found("u1", "u3") == ["1 users are missing from the file"]


def test_a_file_that_can_not_be_read_is_a_violation() -> None:
    broken = with_file(as_workbook(("u1", "Ann"))[:-9])
    name = {"file": broken.shown["file"] | {"name": "users.xlsx"}}
    assert any("can't be read" in each for each in judge(replace(broken, shown=broken.shown | name)))


CHANGED_HEADER = (*FIRST, "city", "city (old)")
CHANGES = Changes(
    by_user={
        "u1": Change("removed", "Delft", ""),
        "u2": Change("added", "", "Gouda"),
        "u3": Change("changed", "Breda", "=Ede"),
    },
    unchanged=7,
    reasons=frozenset({"deleted"}),
)
REMOVED = ("removed", "deleted", "u1", "a@x", "a@x", "", "", "Delft")
ADDED = ("added", "", "u2", "b@x", "", "", "Gouda", "")
CHANGED = ("changed", "", "u3", "c@x", "c@x", "city", "'=Ede", "Breda")


def compared(*rows: tuple[str, ...], **counts: int) -> Evidence:
    file = "".join(",".join(row) + "\r\n" for row in (CHANGED_HEADER, *rows)).encode("utf-8-sig")
    counted = {"added": 1, "removed": 1, "changed": 1, "unchanged": 7, "errors": 0, **counts}
    about = {"name": "users.csv", "rows": 3, "bytes": len(file)}
    results = RESULTS | {"type": "comparison", "counts": counted, "file": about}
    return replace(COMPLETED, file=file, results=results, shown=results | {"download": LINKS}, changes=CHANGES)


def test_a_comparison_that_says_what_has_changed_has_no_violation() -> None:
    assert judge(compared(REMOVED, ADDED, CHANGED)) == []


@pytest.mark.parametrize(
    ("seen", "violation"),
    [
        (compared(REMOVED, ADDED), "1 changes are missing from the file"),
        (compared(REMOVED, ADDED, CHANGED, CHANGED), "1 users are in the file more than once"),
        (compared(REMOVED, ADDED, CHANGED, (*ADDED[:2], "u4", *ADDED[3:])), "1 users in the file have not changed"),
        (compared(REMOVED, ADDED, (*CHANGED[:7], "Delft")), "1 rows say something else of the user"),
        (compared(REMOVED, ADDED, (*CHANGED[:5], "city; mail", *CHANGED[6:])), "1 rows say something else of the user"),
        (compared((REMOVED[0], "unknown", *REMOVED[2:]), ADDED, CHANGED), "1 rows say something else of the user"),
        (compared(REMOVED, ADDED, CHANGED[:-1]), "1 rows have not as many cells as the header"),
        (compared(REMOVED, ADDED, CHANGED, unchanged=6), "the results count {'added': 1"),
        (replace(compared(REMOVED, ADDED, CHANGED), file=CSV), "the header is ['objectId'"),
    ],
)
def test_a_comparison_that_says_anything_else_is_found(seen: Evidence, violation: str) -> None:
    assert any(violation in found for found in judge(seen)), judge(seen)
