"""A comparison has each user of both exports once, whatever their formats, or it fails and says why."""

import csv
import gzip
import io
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import openpyxl
import pytest

from local.tenant import Tenant, create_user, delete_user, update_user
from shared.compare import activities as comparing
from shared.compare import prepare
from shared.compare.context import Execution
from shared.compare.messages import PrepareTask
from shared.export.context import Edges, read_record
from shared.export.messages import received, sent
from shared.files import deflate
from shared.files import results as results_file
from shared.files.columns import columns_of
from shared.files.csv_rows import without_guard
from shared.graph.users import User
from shared.storage import blobs, erasing, staging
from shared.storage.names import cancelled_name, plan_name, results_name, work_name
from tests.integration.runner import Comparison, Connect, Context, Export, run_comparison, run_export
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
FORMATS: list[dict[str, Any]] = [
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


@asynccontextmanager
async def two_exports(
    connected: Connect, *, users: int = 60, size: str = "20000", **request: Any
) -> AsyncIterator[tuple[Edges, Export, Export, dict[str, str]]]:
    tenant = tenant_with_hard_values(users)
    async with connected(tenant, EXPORT_RANGE_USERS=size) as edges:
        first = await run_export(edges, columns=COLUMNS, **request)
        told = change_some(tenant)
        yield edges, first, await run_export(edges, columns=COLUMNS, **request), told


def cells_of(file: bytes, how: dict[str, Any], names: list[str]) -> list[list[str]]:
    """The rows of a comparison's file, as other programs read them."""
    if how["format"] == "xlsx":
        sheet = openpyxl.load_workbook(io.BytesIO(file)).active
        assert sheet is not None
        header, *rows = [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)]
        assert header == names
        return [[openpyxl.utils.escape.unescape(str(cell)) for cell in row] for row in rows]
    data = gzip.decompress(file) if how.get("compress") else file
    if how["format"] == "jsonl":
        found = [json.loads(line) for line in data.splitlines()]
        assert all([*each] == names for each in found)
        return [[*each.values()] for each in found]
    header, *rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=how.get("separator", ","))
    assert header == names
    return rows


def in_parts(rows: int, *, then: Any = None) -> Any:
    """Runs the activities in parts of so many users; `then` sees each activity's name before it runs."""

    async def run(edges: Edges, name: str, task: Any) -> Any:
        if then:
            await then(edges, name, task)
        if name != "prepare_comparison":
            return await comparing.run(edges, name, task)
        return sent(await prepare.prepare(edges, received(task, PrepareTask), rows))

    return run


async def left_of(edges: Edges, found: Comparison) -> list[str]:
    """What only a running comparison needs, also what is staged and not committed."""
    return [each.name async for each in blobs.listing(edges.storage, work_name(found.id, ""), uncommitted=True)]


def changes(found: Comparison) -> dict[str, str]:
    rows = rows_of(found.file)
    assert len({row["objectId"] for row in rows}) == len(rows)
    return {row["objectId"]: row["change"] for row in rows}


async def replaced(edges: Edges, export: Export, file: bytes, **results: Any) -> None:
    """The export as it had another file."""
    record = await read_record(edges.storage, export.id)
    await blobs.write(edges.storage, record.file_blob_name(), file)
    fields = {**export.results, **results, "file": {**export.results["file"], "bytes": len(file)}}
    errors = fields.pop("errors")
    text = results_file.head(fields) + results_file.lines(errors) + results_file.TAIL
    await blobs.write(edges.storage, results_name(export.id), text)


NEXT = [(at, (at + 1) % len(FORMATS)) for at in range(len(FORMATS))]
"""Each format is old once and new once: formats in which a cell differs would differ here too."""
PAIRS = [*itertools.product(range(len(FORMATS)), repeat=2)]


@pytest.mark.parametrize("pairs", [NEXT, pytest.param(PAIRS, marks=pytest.mark.long)], ids=["next", "all"])
async def test_whatever_the_formats_each_user_who_has_changed_is_named_and_no_other(
    connected: Connect, pairs: list[tuple[int, int]]
) -> None:
    tenant = tenant_with_hard_values()
    async with connected(tenant, EXPORT_RANGE_USERS="40") as edges:
        before = [await run_export(edges, columns=COLUMNS, **how) for how in FORMATS]
        told = change_some(tenant)
        after = [await run_export(edges, columns=COLUMNS, **how) for how in FORMATS]
        for at, other in pairs:
            old, new = before[at], after[other]
            found = await run_comparison(edges, old, new)
            check_results(found.results, "Completed")
            rows = rows_of(found.file)
            pair = (old.results["request"], new.results["request"])
            assert {row["objectId"]: row["change"] for row in rows} == told, pair
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


async def test_the_comparison_itself_can_have_any_format(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, _):
        plain = await run_comparison(edges, first, second, context=Context(edges, {}, in_parts(20)))
        shown = [list(row.values()) for row in rows_of(plain.file)]
        for how in FORMATS[1:]:
            context = Context(edges, {}, in_parts(20))
            found = await run_comparison(edges, first, second, context=context, **how)
            names = found.results["file"]["columns"]
            assert found.file is not None
            rows = cells_of(found.file, how, names)
            guarded = how["format"] == "csv" and how.get("excel", True)
            wanted = sorted([cell if guarded else without_guard(cell) for cell in row] for row in shown)
            assert sorted(rows) == wanted, how


async def test_in_parts_and_with_each_activity_twice_it_is_the_same(connected: Connect) -> None:
    async with two_exports(connected, users=400, size="40") as (edges, first, second, told):
        context = Context(edges, {}, in_parts(20), twice=0.5)
        found = await run_comparison(edges, first, second, context=context)
        check_results(found.results, "Completed")
        assert changes(found) == told
        assert len({task["parts"][0] for name, task, _ in context.calls if name == "compare"}) > 1
        # Nothing that only a running comparison needs is left, whoever came too late.
        assert await left_of(edges, found) == []


async def test_nothing_has_changed_when_nothing_has(connected: Connect) -> None:
    async with connected(tenant_with_hard_values(30)) as edges:
        first, second = [await run_export(edges, columns=COLUMNS) for _ in range(2)]
        found = await run_comparison(edges, first, second)
        check_results(found.results, "Completed")
        assert rows_of(found.file) == []
        assert found.results["counts"]["unchanged"] == 30 + len(HARD)
        assert found.results["changedColumns"] == {}


async def test_empty_exports_are_compared(connected: Connect) -> None:
    async with connected(Tenant(users=5)) as edges:
        nobody: dict[str, Any] = {"columns": COLUMNS, "filter": "startsWith(userPrincipalName,'nobody-is-so')"}
        for kind in ("csv", "jsonl", "xlsx"):
            how: dict[str, Any] = {"format": kind}
            empty, full = await run_export(edges, **nobody, **how), await run_export(edges, columns=COLUMNS, **how)
            for old, new, counts in ((empty, full, (5, 0)), (full, empty, (0, 5)), (empty, empty, (0, 0))):
                found = await run_comparison(edges, old, new)
                assert (found.results["counts"]["added"], found.results["counts"]["removed"]) == counts


async def test_a_user_who_left_the_filter_is_told_from_a_deleted_one(connected: Connect) -> None:
    tenant = Tenant(users=60)
    async with connected(tenant) as edges:
        first = await run_export(edges, columns=COLUMNS, filter="accountEnabled eq true")
        gone, left = [row["objectId"] for row in rows_of(first.csv)[:2]]
        delete_user(tenant, gone)
        update_user(tenant, left, {"accountEnabled": False})
        second = await run_export(edges, columns=COLUMNS, filter="accountEnabled eq true")
        found = await run_comparison(edges, first, second)
        assert {row["objectId"]: row["removedBecause"] for row in rows_of(found.file)} == {
            gone: "deleted",
            left: "notInExport",
        }


async def test_why_a_user_was_removed_is_unknown_where_the_deleted_ones_can_not_be_listed(connected: Connect) -> None:
    tenant = Tenant(users=20)
    async with connected(tenant) as edges:
        first = await run_export(edges, columns=COLUMNS)
        delete_user(tenant, rows_of(first.csv)[0]["objectId"])
        second = await run_export(edges, columns=COLUMNS)
        tenant.faults.add("status", status=403, match="/directory/deletedItems", rate=1.0, code="Denied")
        found = await run_comparison(edges, first, second)
        check_results(found.results, "Completed")
        assert [row["removedBecause"] for row in rows_of(found.file)] == ["unknown"]
        assert [each["code"] for each in found.results["warnings"]] == ["RemovedUnknown", "ReasonsUnknown"]


async def test_columns_that_one_could_not_read_or_does_not_have_are_left_out_and_named(connected: Connect) -> None:
    tenant = Tenant(users=20)
    async with connected(tenant) as edges:
        columns = [*COLUMNS, "lastSignInDateTime"]
        first = await run_export(edges, columns=[*columns, "mail"])
        tenant.deny = ("signin",)
        second = await run_export(edges, columns=["department", *columns])
        check_results(second.results, "CompletedWithErrors")
        found = await run_comparison(edges, first, second)
        check_results(found.results, "CompletedWithErrors")
        assert rows_of(found.file) == []
        assert found.results["columns"] == {
            "compared": COLUMNS[1:],
            "notRead": ["lastSignInDateTime"],
            "onlyOld": ["mail"],
            "onlyNew": ["department"],
        }
        assert [each["column"] for each in found.results["errors"]] == ["lastSignInDateTime"]
        assert len([each for each in found.results["warnings"] if each["code"] == "ColumnsDiffer"]) == 2


async def test_a_cell_that_one_could_not_read_is_left_out_and_named(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, told):
        changed = [user for user, change in told.items() if change == "changed"]
        errors = [{"code": "x", "reason": "x", "user": user, "column": "city, mail"} for user in changed]
        counts = {**second.results["counts"], "errors": len(errors)}
        status = "CompletedWithErrors"
        await replaced(edges, second, second.csv or b"", errors=errors, counts=counts, status=status)
        found = await run_comparison(edges, first, second, context=Context(edges, {}, in_parts(9)))
        check_results(found.results, "CompletedWithErrors")
        assert sorted((each["user"], each["column"]) for each in found.results["errors"]) == sorted(
            (user, "city") for user in changed
        )
        assert found.results["changedColumns"] == {"displayName": len(changed)}
        assert {(row["city"], row["city (old)"]) for row in rows_of(found.file) if row["objectId"] in changed} == {
            ("", "")
        }


async def test_a_user_who_is_twice_in_a_file_fails_the_comparison(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, _):
        lines = (second.csv or b"").splitlines(keepends=True)
        plain = next(line for line in lines[1:] if line.count(b",") == len(COLUMNS) - 1)
        # One comes twice and another is lost: the number of lines is right.
        other = next(line for line in lines[1:] if line.count(b",") == len(COLUMNS) - 1 and line != plain)
        await replaced(edges, second, b"".join(plain if line == other else line for line in lines))
        await fails(edges, first, second, "UserTwice")


async def test_a_file_that_is_not_as_published_fails_the_comparison(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, _):
        file = first.csv or b""
        for spoiled, code in (
            (file[: file.rindex(b"\r\n", 0, -2) + 2], "FileChanged"),
            (file[:-1], "FileUnreadable"),
            (file.replace(b"objectId", b"objectID", 1), "FileUnreadable"),
            (file.replace(b"00000000-0000-0000-0000-000000000001", b"", 1), "FileUnreadable"),
            (b"", "FileUnreadable"),
        ):
            await replaced(edges, first, spoiled)
            await fails(edges, first, second, code)
        await replaced(edges, first, file)
        check_results((await run_comparison(edges, first, second)).results, "Completed")


async def fails(edges: Edges, first: Export, second: Export, code: str, context: Context | None = None) -> None:
    found = await run_comparison(edges, first, second, context=context)
    check_results(found.results, "Failed")
    assert [each["code"] for each in found.results["errors"]] == [code]
    assert found.file is None
    assert [name async for name in blobs.names(edges.storage, work_name(found.id, ""))] == []


@pytest.mark.parametrize("which", ["file", "results"])
@pytest.mark.parametrize("how", ["changed", "deleted"])
async def test_a_file_that_changes_or_goes_while_it_is_read_fails_the_comparison(
    connected: Connect, which: str, how: str
) -> None:
    async with two_exports(connected) as (edges, first, second, _):
        record = await read_record(edges.storage, second.id)
        errors = [{"code": "x", "reason": "x", "user": "1", "column": "city"}]
        counts = {**second.results["counts"], "errors": 1}
        await replaced(edges, second, second.csv or b"", errors=errors, counts=counts, status="CompletedWithErrors")

        async def then(_: Edges, name: str, __: Any) -> None:
            if name == "split":
                blob = record.file_blob_name() if which == "file" else results_name(second.id)
                content = await blobs.read(edges.storage, blob)
                if how == "deleted":
                    await blobs.delete(edges.storage, blob)
                elif content:
                    await blobs.write(edges.storage, blob, content)

        await fails(edges, first, second, "FileChanged", Context(edges, {}, in_parts(20_000, then=then)))


async def test_a_part_that_the_storage_has_lost_fails_the_comparison(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, _):

        async def then(_: Edges, name: str, task: Any) -> None:
            if name == "compare":
                lost = [each async for each in blobs.names(edges.storage, work_name(task["id"], "part-"))]
                await blobs.delete(edges.storage, lost[0])

        await fails(edges, first, second, "ComparisonIncomplete", Context(edges, {}, in_parts(20, then=then)))


async def test_an_export_that_was_deleted_before_it_is_read_fails_the_comparison(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, _):

        async def then(_: Edges, name: str, __: Any) -> None:
            if name == "prepare_comparison":
                await erasing.delete_all(edges.storage, f"{first.id}/")

        await fails(edges, first, second, "ExportGone", Context(edges, {}, in_parts(20, then=then)))


async def test_a_cancel_ends_it_at_any_step_and_leaves_nothing(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, _):
        for step in ("prepare_comparison", "split", "compare", "publish_comparison"):
            reached: list[str] = []

            async def then(_: Edges, name: str, task: Any, step: str = step, reached: list[str] = reached) -> None:
                if name == step:
                    reached.append(name)
                    await blobs.write(edges.storage, cancelled_name(task["id"]), b"")
                    await blobs.delete(edges.storage, plan_name(task["id"]))

            found = await run_comparison(edges, first, second, context=Context(edges, {}, in_parts(20, then=then)))
            assert reached
            check_results(found.results, "Cancelled")
            assert found.file is None
            assert await left_of(edges, found) == []


async def test_what_a_killed_split_has_staged_does_not_outlive_the_comparison(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, told):

        async def then(_: Edges, name: str, task: Any) -> None:
            if name == "split":
                # It has begun, and died before it could commit the part.
                part = work_name(task["id"], f"part-{task['export']}-of-the-dead-00000")
                await staging.stage(edges.storage, part, "00000", b'["id","a@example.com"]')

        found = await run_comparison(edges, first, second, context=Context(edges, {}, in_parts(20, then=then)))
        assert changes(found) == told
        assert await left_of(edges, found) == []


async def test_a_split_that_outlives_its_comparison_takes_away_what_it_has_staged(connected: Connect) -> None:
    async with two_exports(connected) as (edges, first, second, _):
        found = await run_comparison(edges, first, second)
        record = await read_record(edges.storage, found.id)
        run = Execution(edges, record, 0.0)
        part = work_name(found.id, "part-zombie-00000")
        run.staged.add(part)
        await staging.stage(edges.storage, part, "00000", b'["id","a@example.com"]')
        await run.leave()
        assert await left_of(edges, found) == []


@pytest.mark.parametrize("chance", range(4))
async def test_random_exports_are_compared_as_dictionaries_would_be(connected: Connect, chance: int) -> None:
    random = Random(chance)
    async with connected(Tenant(users=1)) as edges:
        exports, tables = [], []
        for how in random.choices(FORMATS, k=2):
            users = random.sample(range(80), k=random.randint(0, 60))
            table = {f"id-{user:03d}": [random.choice(HARD + ("",) * 8) for _ in range(2)] for user in users}
            tables.append(table)
            exports.append(await made(edges, table, how))
        found = await run_comparison(edges, *exports, context=Context(edges, {}, in_parts(random.randint(1, 50))))
        check_results(found.results, "Completed")
        old, new = tables
        wanted = {user: "removed" for user in old if user not in new}
        wanted |= {user: "added" for user in new if user not in old}
        wanted |= {user: "changed" for user in new if user in old and old[user] != new[user]}
        assert changes(found) == wanted
        for row in rows_of(found.file):
            user, change = row["objectId"], row["change"]
            cells = [without_guard(row[name]) for name in ("city", "displayName", "city (old)", "displayName (old)")]
            assert cells == [*new.get(user, ["", ""]), *old.get(user, ["", ""])]
            differing = (
                [name for at, name in enumerate(("city", "displayName")) if new[user][at] != old[user][at]]
                if change == "changed"
                else []
            )
            assert row["changedColumns"] == "; ".join(differing)


async def made(edges: Edges, table: dict[str, list[str]], how: dict[str, Any]) -> Export:
    """An export with these users: objectId, city and displayName."""
    export = await run_export(edges, columns=["objectId", "city", "displayName"], **how)
    users = [User(id=user, city=cells[0], display_name=cells[1]) for user, cells in table.items()]
    record = await read_record(edges.storage, export.id)
    columns, file = columns_of(record.columns), record.chosen_format()
    data, _ = file.rows(users, columns)
    data, about = deflate.segment(data, len(users)) if file.deflated else (data, deflate.Segment(0, 0, 0, 0))
    whole = b"".join(piece + data * following for piece, following in file.around(columns, [about]))
    export.results["file"]["rows"] = len(users)
    await replaced(edges, export, whole)
    return export
