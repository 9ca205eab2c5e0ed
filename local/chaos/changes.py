"""Whether a comparison's file says what has changed between two states of the tenant, and nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl.utils.escape import unescape

from local.truth import differences

FIRST = ("change", "removedBecause", "objectId", "userPrincipalName", "userPrincipalName (old)", "changedColumns")


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of a user: `added`, `removed` or `changed`, and the city before and after."""

    kind: str
    old_city: str
    new_city: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What the file must say: changes by object id, how many users are unchanged, and the true reasons of a removal."""

    by_user: Mapping[str, Change]
    unchanged: int
    reasons: frozenset[str]


def in_file(changes: Changes, header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Every way in which the rows are not what has changed, a sentence each."""
    if tuple(header[: len(FIRST)]) != FIRST or not {"city", "city (old)"} <= {*header}:
        return [f"the header is {header}"]
    if ragged := sum(len(row) != len(header) for row in rows):
        return [f"{ragged} rows have not as many cells as the header"]
    records = [dict(zip(header, ("" if cell is None else cell for cell in row), strict=True)) for row in rows]
    users = differences(changes.by_user.keys(), (row["objectId"] for row in records))
    counts = {
        "changes are missing from the file": len(users.missing),
        "users are in the file more than once": len(users.doubled),
        "users in the file have not changed": len(users.strange),
        "rows say something else of the user": sum(not _is_true(changes, row) for row in records),
    }
    return [f"{count} {text}" for text, count in counts.items() if count]


def _is_true(changes: Changes, row: Mapping[str, Any]) -> bool:
    change = changes.by_user.get(row["objectId"])
    if change is None:
        return True  # It is counted as one that has not changed.
    reasons = changes.reasons if change.kind == "removed" else {""}
    columns = "city" if change.kind == "changed" else ""
    return (
        (row["change"], row["changedColumns"]) == (change.kind, columns)
        and (_bare(row["city (old)"]), _bare(row["city"])) == (_bare(change.old_city), _bare(change.new_city))
        and row["removedBecause"] in reasons
    )


def _bare(cell: str) -> str:
    """Without apostrophes, of which the guard against formulas adds some, and without a workbook's escapes."""
    plain: str = unescape(cell)
    return plain.replace("'", "")


def in_results(changes: Changes, results: Mapping[str, Any]) -> list[str]:
    """Whether the results count what has changed."""
    kinds = Counter(each.kind for each in changes.by_user.values())
    wanted = {"added": kinds["added"], "removed": kinds["removed"], "changed": kinds["changed"]}
    wanted["unchanged"] = changes.unchanged
    counted = {name: results["counts"].get(name) for name in wanted}
    if (counted, (results["file"] or {}).get("rows")) == (wanted, len(changes.by_user)):
        return []
    return [f"the results count {counted} in {(results['file'] or {}).get('rows')} rows, and {wanted} is true"]
