"""A comparison has each user of both exports once, whatever their formats, or it fails and says why."""

import csv
import gzip
import io
from typing import Any

import msgspec
import pytest

from local.tenant import Tenant, create_user, delete_user, update_user
from shared.compare import activities as comparing
from shared.compare import prepare
from shared.export.context import Edges
from shared.files import comparison
from shared.storage import blobs
from shared.storage.names import cancelled_name, plan_name, record_name, results_name, work_name
from tests.integration.runner import Connect, Context, Export, run_comparison, run_export
from tests.integration.truth import check_results

HARD = ("=1+1", "'=1+1", "a;=1", "a,'=1", 'say "hi"', "a\r\nb", "-5", "+31 20 123", "é日😀", "_x0041_", "&amp;", " x ")
COLUMNS = [
    "objectId",
    "userPrincipalName",
    "displayName",
    "city",
    "accountEnabled",
    "createdDateTime",
    "businessPhones",
    "postalCode",
]
FORMATS = [
    {"format": "csv"},
    {"format": "csv", "separator": ";"},
    {"format": "csv", "excel": False, "compress": True},
    {"format": "jsonl"},
    {"format": "jsonl", "compress": True},
    {"format": "xlsx"},
]


def tenant_with_hard_values(users: Any = 120) -> Tenant:
    tenant = Tenant(users=users)
    for at, name in enumerate(HARD):
        known = {"id": f"00000000-0000-0000-0000-{at:012d}", "userPrincipalName": f"hard{at}@example.com"}
        create_user(tenant, {**known, "displayName": name, "postalCode": name[:40], "businessPhones": [name, "1"]})
    return tenant


def change_some(tenant: Tenant) -> dict[str, str]:
    """Adds, removes and changes users; what becomes of whom, by id."""
    users = tenant.all_users(("id", "city"))
    told = {}
    for at, user in enumerate(users[::10]):
        if at % 3 == 0:
            delete_user(tenant, user["id"])
            told[user["id"]] = "removed"
        else:
            update_user(tenant, user["id"], {"city": f"=New, {at}; city", "displayName": 'a "new" name'})
            told[user["id"]] = "changed"
    for at in range(5):
        known = {"id": f"10000000-0000-0000-0000-{at:012d}", "userPrincipalName": f"new{at}@example.com"}
        create_user(tenant, {**known, "displayName": "New"})
        told[known["id"]] = "added"
    return told


def rows_of(file: bytes | None) -> list[dict[str, str]]:
    assert file is not None
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


async def both(edges: Edges, tenant: Tenant, old: dict[str, Any], new: dict[str, Any], **more: Any) -> Any:
    first = await run_export(edges, columns=COLUMNS, **old, **more)
    told = change_some(tenant)
    second = await run_export(edges, columns=COLUMNS, **new, **more)
    return first, second, told


def in_parts_of(rows: int, monkeypatched: pytest.MonkeyPatch) -> None:
    monkeypatched.setattr(prepare, "PART_ROWS", rows)


@pytest.mark.parametrize("old", FORMATS, ids=str)
async def test_whatever_the_formats_each_user_who_has_changed_is_named_and_no_other(
    connected: Connect, old: dict[str, Any]
) -> None:
    tenant = tenant_with_hard_values()
    async with connected(tenant, EXPORT_RANGE_USERS="40") as edges:
        first = await run_export(edges, columns=COLUMNS, **old)
        told = change_some(tenant)
        for new in FORMATS:
            second = await run_export(edges, columns=COLUMNS, **new)
            found = await run_comparison(edges, first, second)
            check_results(found.results, "Completed")
            rows = rows_of(found.file)
            assert {row["objectId"]: row["change"] for row in rows} == told
            assert len(rows) == len(told)
            kinds = [*told.values()]
            counts = found.results["counts"]
            assert [counts[kind] for kind in ("added", "removed", "changed")] == [
                kinds.count(kind) for kind in ("added", "removed", "changed")
            ]
            assert counts["unchanged"] == 120 + len(HARD) - kinds.count("removed") - kinds.count("changed")
            changed = kinds.count("changed")
            assert found.results["changedColumns"] == {"city": changed, "displayName": changed}
            assert {row["removedBecause"] for row in rows if row["change"] == "removed"} == {"deleted"}
            one = next(row for row in rows if row["change"] == "changed")
            assert one["changedColumns"] == "displayName; city"
            assert one["displayName"] == 'a "new" name'
            assert one["city"].startswith("'=New, ")
