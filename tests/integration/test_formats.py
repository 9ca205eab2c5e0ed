"""Every format has each user once, cell by cell what the tenant has, for every program that opens it."""

import asyncio
import gzip
import itertools
import json
import re
import shutil
import zlib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas
import pytest

from local.tenant import Tenant, create_user
from shared.export import activities, publish
from shared.export.context import Edges
from shared.export.messages import PublishTask, received, sent
from shared.storage import blobs
from shared.storage.names import segments_name, work_name
from tests.integration.runner import Connect, Context, run_export
from tests.integration.truth import check_ids, check_results, ids_of, rows_of
from tests.integration.workbooks import CHECK, by_libreoffice, by_microsoft, is_whole

HARD = (
    "=1+1",
    "'=1+1",
    "+31 20 123 4567",
    "-5",
    "@ann",
    "0123",
    "12345678901234567890",
    "1e5",
    "TRUE",
    "2024-01-02",
    "a\r\nb",
    "a\nb\tc",
    " lead and trail ",
    '"',
    "a;b,c",
    ";=2+2",
    "<b>&amp;</b>",
    "_x0041_ _x000D_",
    "ünï 日本 😀 עברית",
    "\x0b\x1f",
    "#N/A",
    "x" * 40_000,
)
COLUMNS = [
    "objectId",
    "userPrincipalName",
    "displayName",
    "accountEnabled",
    "createdDateTime",
    "postalCode",
    "directorySynced",
    "businessPhones",
    "employeeHireDate",
]
KEPT = 32_767
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
LAST = datetime(1899, 12, 30, tzinfo=UTC)


def hard_tenant(users: Any = 700, shape: str = "normal") -> Any:
    tenant = Tenant(users=users, shape=shape)
    for at, name in enumerate(HARD):
        known = {"id": f"00000000-0000-0000-0000-{at:012d}", "userPrincipalName": f"hard{at}@example.com"}
        create_user(tenant, {**known, "displayName": name, "postalCode": name[:40], "businessPhones": [name, "1"]})
    return tenant


def text_of(value: Any) -> Any:
    """A text as a workbook has it."""
    return FORBIDDEN.sub("\ufffd", value or "")[:KEPT]


def expected(tenant: Tenant) -> Any:
    """The typed cells of each user, by id; times as Excel's days."""
    return {
        user["id"]: [
            user["id"],
            user["userPrincipalName"],
            text_of(user["displayName"]),
            user["accountEnabled"],
            days(user["createdDateTime"]),
            text_of(user["postalCode"]),
            user["onPremisesSyncEnabled"],
            text_of("; ".join(sorted(filter(None, user["businessPhones"])))),
            days(user.get("employeeHireDate")),
        ]
        for user in tenant.all_users()
    }


def days(text: Any) -> Any:
    return (datetime.fromisoformat(text) - LAST) / timedelta(days=1) if text else None


def on_sheets_of(users: Any) -> Any:
    """Runs the activities, and publishes sheets of so many users at most."""

    async def run(edges: Edges, name: str, task: Any) -> Any:
        if name != "publish":
            return await activities.run(edges, name, task)
        return sent(await publish.publish(edges, received(task, PublishTask), users))

    return run


async def exported(
    connected: Connect,
    tenant: Tenant,
    path: Path,
    *,
    sheet_users: int = 1_048_575,
    range_users: Any = "250",
    **request: Any,
) -> Any:
    async with connected(tenant, EXPORT_RANGE_USERS=range_users) as edges:
        context = Context(edges, {}, on_sheets_of(sheet_users), twice=0.2)
        done = await run_export(edges, columns=COLUMNS, context=context, **request)
    check_results(done.results, "Completed")
    await asyncio.to_thread(path.write_bytes, done.csv or b"")
    return done


def same_cells(found: Any, tenant: Tenant) -> None:
    """`found`: rows of typed cells, without the header. Each of the tenant's users is there once."""
    wanted = expected(tenant)
    assert Counter(row[0] for row in found) == Counter(wanted.keys())
    for row in found:
        cells = [*row, *[None] * (len(COLUMNS) - len(row))]
        for name, cell, want in zip(COLUMNS, cells, wanted[row[0]], strict=True):
            if isinstance(want, float):
                assert cell == pytest.approx(want, abs=1e-8), name
            else:
                assert (cell or None) == (want or None) or cell is want is False, (name, cell, want)


def unescaped(cell: Any) -> Any:
    """As Excel reads `_x0041_`; openpyxl and the Open XML SDK leave that to whom they give the text."""
    if not isinstance(cell, str):
        return cell
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), cell)


def as_days(cell: Any) -> Any:
    return (cell.replace(tzinfo=UTC) - LAST) / timedelta(days=1) if isinstance(cell, datetime) else cell


@pytest.mark.parametrize(("shape", "sheet_users"), [("normal", 1_048_575), ("null90", 400), ("b2c", 100)])
async def test_a_workbook_is_what_openpyxl_and_microsofts_reader_find_in_the_tenant(
    connected: Connect, tmp_path: Path, shape: str, sheet_users: int
) -> None:
    tenant, path = hard_tenant(shape=shape), tmp_path / "users.xlsx"
    done = await exported(connected, tenant, path, sheet_users=sheet_users, format="xlsx")
    assert is_whole(path)
    assert done.results["file"]["name"] == "users.xlsx"
    assert done.results["file"]["guarded"] == {}

    book = openpyxl.load_workbook(path)
    rows = [[[unescaped(as_days(cell)) for cell in row] for row in sheet.values] for sheet in book]
    assert all(sheet[0] == COLUMNS for sheet in rows)
    same_cells([row for sheet in rows for row in sheet[1:]], tenant)
    assert all(len(sheet) - 1 <= max(sheet_users, 1000) for sheet in rows)
    names = ["Users"] if len(rows) == 1 else [f"Users {at}" for at in range(1, len(rows) + 1)]
    assert book.sheetnames == names
    assert {cell.data_type for sheet in book for row in sheet for cell in row} <= {"s", "b", "d", "n", "inlineStr"}
    if shape == "null90":
        assert len(rows) > 1
    if CHECK:
        sheets = await by_microsoft(path)
        assert [*sheets] == names
        found = [[unescaped(cell) for cell in row] for rows in sheets.values() for row in rows[1:]]
        same_cells(found, tenant)


async def test_pandas_reads_a_workbook_and_zeros_in_front_stay(connected: Connect, tmp_path: Path) -> None:
    tenant, path = hard_tenant(), tmp_path / "users.xlsx"
    await exported(connected, tenant, path, format="xlsx")
    frame = pandas.read_excel(path, keep_default_na=False, na_values=[""], dtype={"postalCode": str})
    wanted = expected(tenant)
    assert {*frame["objectId"]} == {*wanted}
    assert dict(zip(frame["objectId"], frame["accountEnabled"], strict=True)) == {
        user: cells[3] for user, cells in wanted.items()
    }
    codes = dict(zip(frame["objectId"], frame["postalCode"].map(unescaped), strict=True))
    assert codes["00000000-0000-0000-0000-000000000005"] == "0123"


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed: `make programs`")
async def test_libreoffice_shows_a_workbook_as_it_is(connected: Connect, tmp_path: Path) -> None:
    tenant, path = hard_tenant(users=300), tmp_path / "users.xlsx"
    await exported(connected, tenant, path, sheet_users=100, range_users="100", format="xlsx")
    shown = await by_libreoffice(path)
    assert len(shown) > 1
    assert all(sheet[0] == COLUMNS for sheet in shown)
    wanted = expected(tenant)
    rows = [row for sheet in shown for row in sheet[1:]]
    assert Counter(row[0] for row in rows) == Counter(wanted.keys())
    for row in rows:
        # A line's end in a cell is one letter there.
        assert row[2] == wanted[row[0]][2].replace("\r\n", "\n").replace("\r", "\n"), row[0]
        assert row[5] == wanted[row[0]][5].replace("\r\n", "\n").replace("\r", "\n"), row[0]
        assert row[3] == str(wanted[row[0]][3]).upper()


async def test_cells_that_are_too_long_are_cut_counted_and_named(connected: Connect, tmp_path: Path) -> None:
    tenant = hard_tenant()
    done = await exported(connected, tenant, tmp_path / "users.xlsx", format="xlsx")
    [reason] = [each["reason"] for each in done.results["warnings"] if each["code"] == "CellsCut"]
    assert "2 cells were longer and were cut: 1 of businessPhones, 1 of displayName" in reason
    plain = await exported(connected, tenant, tmp_path / "users.jsonl", format="jsonl")
    assert [each["code"] for each in plain.results["warnings"]] == []


@pytest.mark.parametrize("compress", [False, True])
async def test_jsonl_keeps_graphs_types_under_the_columns_names(
    connected: Connect, tmp_path: Path, compress: bool
) -> None:
    tenant, path = hard_tenant(), tmp_path / ("users.jsonl.gz" if compress else "users.jsonl")
    done = await exported(connected, tenant, path, format="jsonl", compress=compress)
    assert done.results["file"]["name"] == path.name
    lines = (gzip.decompress(done.csv or b"") if compress else done.csv).decode().splitlines()
    truth = {user["id"]: user for user in tenant.all_users()}
    found = [json.loads(line) for line in lines if line]
    assert Counter(row["objectId"] for row in found) == Counter(truth.keys())
    for row in found:
        user = truth[row["objectId"]]
        assert [*row] == COLUMNS
        for name, source in (
            ("displayName",) * 2,
            ("accountEnabled",) * 2,
            ("businessPhones",) * 2,
            ("createdDateTime",) * 2,
        ):
            assert row[name] == user[source]
        assert row["directorySynced"] == user["onPremisesSyncEnabled"]
        assert row["employeeHireDate"] == user.get("employeeHireDate")
    read = duckdb.execute(
        "SELECT count(*), count(DISTINCT objectId), bool_or(accountEnabled) FROM read_json(?)", [str(path)]
    )
    assert read.fetchall() == [(len(truth), len(truth), True)]
    assert len(pandas.read_json(path, lines=True)) == len(truth)


async def test_a_compressed_csv_is_one_member_with_the_rows_of_the_plain_one(
    connected: Connect, tmp_path: Path
) -> None:
    tenant, path = hard_tenant(), tmp_path / "users.csv.gz"
    plain = await exported(connected, tenant, tmp_path / "users.csv")
    done = await exported(connected, tenant, path, compress=True)
    reader = zlib.decompressobj(wbits=31)
    data = reader.decompress(done.csv)
    assert reader.eof
    assert reader.unused_data == b""
    assert data == plain.csv
    assert done.results["file"]["compressed"] is True
    check_ids(data, ids_of(tenant))
    read = duckdb.execute("SELECT count(DISTINCT objectId) FROM read_csv(?, all_varchar=true)", [str(path)])
    assert read.fetchall() == [(len(ids_of(tenant)),)]
    assert len(pandas.read_csv(path, dtype=str)) == len(ids_of(tenant))


async def test_the_results_name_the_columns_with_guarded_cells_and_the_guard_can_be_undone(
    connected: Connect, tmp_path: Path
) -> None:
    tenant = hard_tenant()
    done = await exported(connected, tenant, tmp_path / "users.csv")
    raw = await exported(connected, tenant, tmp_path / "users.csv", excel=False)
    guarded, plain = ({row["objectId"]: row for row in rows_of(each.csv)} for each in (done, raw))
    changed = Counter(name for user, row in plain.items() for name in COLUMNS if row[name] != guarded[user][name])
    assert done.results["file"]["guarded"] == dict(changed)
    assert changed["displayName"] >= 3
    assert raw.results["file"]["guarded"] == {}


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed: `make programs`")
async def test_a_csv_with_semicolons_opens_in_columns_in_libreoffice_and_has_no_formula(
    connected: Connect, tmp_path: Path
) -> None:
    tenant, path = hard_tenant(users=100), tmp_path / "users.csv"
    done = await exported(connected, tenant, path, separator=";")
    assert done.results["file"]["separator"] == ";"
    # Semicolon, quote, UTF-8, German, formulas are evaluated if there are any.
    how = "--infilter=CSV:59,34,76,1,,1031,false,true,false,false,false,-1,true"
    [shown] = await by_libreoffice(path, how)
    assert shown[0] == COLUMNS
    truth = {user["id"]: user for user in tenant.all_users()}
    assert {row[0] for row in shown[1:]} == {*truth}
    assert all(len(row) == len(COLUMNS) for row in shown)
    assert {row[2] for row in shown[1:]} >= {"'=1+1", "''=1+1", "'@ann", "a;b,c"}


@pytest.mark.parametrize(
    "request_", [{"format": "xlsx"}, {"compress": True}, {"format": "jsonl"}, {"format": "jsonl", "compress": True}]
)
@pytest.mark.parametrize("users", [0, 1])
async def test_a_tenant_of_nobody_or_one_gives_a_file_that_opens(
    connected: Connect, tmp_path: Path, users: Any, request_: dict[str, Any]
) -> None:
    path = tmp_path / "users.xlsx"
    async with connected(Tenant(users=users)) as edges:
        done = await run_export(edges, columns=COLUMNS, **request_)
    check_results(done.results, "Completed")
    assert done.csv is not None
    await asyncio.to_thread(path.write_bytes, done.csv or b"")
    if request_ == {"format": "xlsx"}:
        book = openpyxl.load_workbook(path)
        assert len([*book.active.values]) == users + 1
        if CHECK:
            assert len((await by_microsoft(path))["Users"]) == users + 1
    else:
        data = gzip.decompress(done.csv or b"") if request_.get("compress") else done.csv
        assert len(data.splitlines()) == users + (request_.get("format") != "jsonl")


@pytest.mark.parametrize("request_", [{"format": "xlsx"}, {"compress": True}])
async def test_a_chain_that_goes_on_in_further_activities_keeps_what_filled_no_block(
    connected: Connect, tmp_path: Path, request_: dict[str, Any]
) -> None:
    tenant = Tenant(users=4500, shape="b2c")
    async with connected(tenant) as edges:
        hurried = replace(edges, clock=itertools.count(step=60).__next__)
        done = await run_export(edges, columns=COLUMNS, context=Context(hurried, {}, twice=0.3), **request_)
    check_results(done.results, "Completed")
    assert len([name for name, _, _ in done.context.calls if name == "export"]) > 1
    ids = ids_of(tenant)
    if "format" in request_:
        await asyncio.to_thread((tmp_path / "users.xlsx").write_bytes, done.csv or b"")
        assert is_whole(tmp_path / "users.xlsx")
        rows = [*openpyxl.load_workbook(tmp_path / "users.xlsx").active.values]
        assert Counter(row[0] for row in rows[1:]) == Counter(ids)
    else:
        check_ids(gzip.decompress(done.csv or b""), ids)


async def test_a_workbook_whose_notes_are_lost_is_a_failure_and_no_file(connected: Connect) -> None:
    async with connected(Tenant(users=300)) as edges:

        async def run(edges: Edges, name: str, task: Any) -> Any:
            if name == "publish":
                for part in received(task, PublishTask).staged:
                    await blobs.delete(edges.storage, segments_name(task["id"], part.prefix))
            return await activities.run(edges, name, task)

        done = await run_export(edges, columns=COLUMNS, context=Context(edges, {}, run), format="xlsx")
        left = [name async for name in blobs.names(edges.storage, work_name(done.id, ""))]
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "FileIncomplete"
    assert done.csv is None
    assert left == []


@pytest.mark.parametrize("request_", [{"format": "xlsx"}, {"compress": True}, {}])
async def test_a_publish_that_outlives_its_export_changes_nothing(connected: Connect, request_: dict[str, Any]) -> None:
    async with connected(Tenant(users=300)) as edges:
        done = await run_export(edges, columns=COLUMNS, **request_)
        (task,) = [task for name, task, _ in done.context.calls if name == "publish"]
        assert (await activities.run(edges, "publish", task))["status"] == "Completed"
        results = json.loads(await blobs.read(edges.storage, f"{done.id}/results.json") or b"")
        file = await blobs.read(edges.storage, f"{done.id}/{done.results['file']['name']}")
    assert results["status"] == "Completed"
    assert file == done.csv
