"""The CSV means the same to other programs."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from local.tenant import Tenant, create_user
from shared.files.columns import COLUMN_SETS
from tests.integration.runner import Connect, run_export
from tests.integration.truth import rows_of

HARD = (
    '=1+1;"x"',
    "a\r\nb",
    "a\nb\rc",
    " lead and trail ",
    '"',
    '""',
    ",",
    "'",
    "ünï 日本 😀 עברית",
    "\ttab",
    "-5",
    "+31 20 123 4567",
    ";=2+2",
)


def hard_tenant() -> Tenant:
    tenant = Tenant(users=300)
    for at, name in enumerate(HARD):
        properties = {"id": f"00000000-0000-0000-0000-{at:012d}", "userPrincipalName": f"hard{at}@example.com"}
        create_user(tenant, {**properties, "displayName": name, "streetAddress": name, "city": None})
    return tenant


async def exported(connected: Connect, tenant: Tenant, path: Path, *, excel: bool) -> list[dict[str, str]]:
    async with connected(tenant) as edges:
        done = await run_export(edges, columns="portal", excel=excel)
    rows = rows_of(done.csv)
    await asyncio.to_thread(path.write_bytes, done.csv or b"")
    return rows


@pytest.mark.parametrize("excel", [True, False])
async def test_duckdb_reads_what_python_reads(connected: Connect, tmp_path: Path, excel: bool) -> None:
    path = tmp_path / "users.csv"
    rows = await exported(connected, hard_tenant(), path, excel=excel)
    options = "header=true, all_varchar=true, delim=',', quote='\"', escape='\"', strict_mode=true, nullstr='\\0'"
    read = duckdb.sql(f"SELECT * FROM read_csv('{path}', {options})")  # noqa: S608
    assert read is not None
    assert tuple(read.columns) == COLUMN_SETS["portal"]
    assert [tuple(row.values()) for row in rows] == [tuple(value or "" for value in row) for row in read.fetchall()]


async def test_raw_values_are_those_of_the_tenant(connected: Connect, tmp_path: Path) -> None:
    tenant = hard_tenant()
    rows = await exported(connected, tenant, tmp_path / "users.csv", excel=False)
    names = {user["id"]: user["displayName"] or "" for user in tenant.all_users(("id", "displayName"))}
    assert {row["id"]: row["displayName"] for row in rows} == names


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed: `make programs`")
async def test_libreoffice_finds_no_formula(connected: Connect, tmp_path: Path) -> None:
    rows = await exported(connected, hard_tenant(), tmp_path / "users.csv", excel=True)
    to = ["--headless", "--convert-to", "fods", "--outdir", str(tmp_path)]
    # Comma, quote, UTF-8, and formulas are to be evaluated if there are any.
    await asyncio.to_thread(
        subprocess.run,
        [
            "soffice",
            *to,
            "--infilter=CSV:44,34,76,1,,0,false,true,false,false,false,-1,true",
            str(tmp_path / "users.csv"),
        ],
        check=True,
        timeout=120,
    )
    sheet = (tmp_path / "users.fods").read_text()
    assert "table:formula" not in sheet
    assert all(row["id"] in sheet for row in rows)
