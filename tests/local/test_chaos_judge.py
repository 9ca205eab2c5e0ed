"""The judge of the chaos rounds finds every way in which an export can break its promise."""

from dataclasses import replace
from typing import Any

import pytest

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
LINKS = {"csv": "https://...", "results": "https://..."}
COMPLETED = Evidence(
    id=ID,
    users=USERS,
    columns=HEADER,
    code=200,
    shown=RESULTS | {"download": LINKS},
    csv=CSV,
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
    shown=BROKEN | {"download": {"results": "https://..."}},
    csv=None,
    results=BROKEN,
    blobs=(f"{ID}/request.json", f"{ID}/results.json"),
    listed=({"id": ID, "status": "Failed"},),
)
STOPPED = BROKEN | {"status": "Cancelled", "errors": []}
CANCELLED = replace(
    FAILED,
    code=200,
    shown=STOPPED | {"download": {}},
    results=STOPPED,
    listed=({"id": ID, "status": "Cancelled"},),
    cancelled=True,
)
NO_RESULTS = replace(
    FAILED,
    shown={name: value for name, value in BROKEN.items() if name != "completedDateTime"} | {"download": {}},
    results=None,
    blobs=(f"{ID}/request.json",),
    instances={ID: "Failed"},
)


def with_file(csv: bytes) -> Evidence:
    """A file whose size at least is what the results say."""
    results = RESULTS | {"file": RESULTS["file"] | {"bytes": len(csv)}}
    return replace(COMPLETED, csv=csv, results=results, shown=results | {"download": LINKS})


def with_results(**changes: Any) -> Evidence:
    return replace(COMPLETED, results=RESULTS | changes, shown=RESULTS | changes | {"download": LINKS})


@pytest.mark.parametrize("seen", [COMPLETED, FAILED, CANCELLED, NO_RESULTS], ids=lambda seen: seen.shown["status"])
def test_what_kept_the_promise_is_no_violation(seen: Evidence) -> None:
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
        (with_file(file_of("u1,Ann", "u2,Bob")), "1 users are missing from the CSV"),
        (with_file(file_of("u1,Ann", "u2,Bob", "u2,Bob", "u3,Cy")), "1 users are in the CSV more than once"),
        (with_file(file_of("u1,Ann", "u2,Bob", "u3,Cy", "u4,Di")), "1 users in the CSV are not the tenant's"),
        (with_file(file_of("u1,Ann", "u2,Bob", "u3")), "1 rows have not as many cells as the header"),
        (with_file(b"objectId\r\nu1\r\nu2\r\nu3\r\n"), "the header is ['objectId']"),
        (with_file(b""), "the header is []"),
        (replace(COMPLETED, csv=None), "the link to the CSV gives nothing"),
        (replace(COMPLETED, csv=CSV + b"\r\n"), f"the results say {len(CSV)} bytes and the CSV has {len(CSV) + 2}"),
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
        (replace(FAILED, shown=FAILED.shown | {"download": {"csv": "https://..."}}), "Failed, but it offers a CSV"),
        (replace(CANCELLED, cancelled=False), "Cancelled, and nobody asked for it"),
    ],
)
def test_a_broken_promise_is_found(seen: Evidence, violation: str) -> None:
    assert any(violation in found for found in judge(seen)), judge(seen)
