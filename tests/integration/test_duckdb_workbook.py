"""DuckDB reads a workbook with its extension `excel`, which takes no other version of DuckDB than its own."""

from importlib.util import find_spec
from pathlib import Path

import duckdb
import openpyxl
import pytest

from tests.integration.runner import Connect
from tests.integration.test_formats import COLUMNS, expected, exported, hard_tenant, unescaped


def extension() -> Path:
    found = find_spec("duckdb_extension_excel")
    assert found, "requirements-dev.txt is not installed"
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / f"extensions/v{duckdb.__version__}/excel.duckdb_extension"


@pytest.mark.parametrize("sheet_users", [1_048_575, 300])
async def test_duckdb_reads_a_workbook_as_the_tenant_is(connected: Connect, tmp_path: Path, sheet_users: int) -> None:
    tenant, path = hard_tenant(), tmp_path / "users.xlsx"
    await exported(connected, tenant, path, sheet_users=sheet_users, format="xlsx")
    sheets = openpyxl.load_workbook(path, read_only=True).sheetnames
    assert (len(sheets) > 1) == (sheet_users < 1_000)
    rows = []
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{extension()}'")
        for sheet in sheets:
            options = f"sheet='{sheet}', header=true, all_varchar=true"
            read = connection.sql(f"SELECT * FROM read_xlsx('{path}', {options})")  # noqa: S608
            assert read.columns == COLUMNS
            rows += read.fetchall()
    wanted = expected(tenant)
    assert len(rows) == len(wanted)
    assert {row[0] for row in rows} == {*wanted}
    for row in rows:
        for at in (1, 2, 5, 7):
            assert (unescaped(row[at]) or "") == (wanted[row[0]][at] or ""), (row[0], COLUMNS[at])
