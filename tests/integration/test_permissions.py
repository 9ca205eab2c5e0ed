"""Exports with exactly the permissions that a deployment grants; the tenant wants those of Microsoft's own list."""

from local import permissions
from local.tenant import Tenant
from shared.files.columns import AUTHENTICATION, COLUMNS, LICENSES, REGISTRATION, ROLES, SIGN_IN
from tests.integration.runner import Connect, run_export
from tests.integration.truth import check_complete, check_results, rows_of

EVERY = list(COLUMNS)
OF_DELETED = {"deletedDateTime"}
"""Empty for who is there."""


async def test_every_column_is_exported_with_what_the_deployment_grants(connected: Connect) -> None:
    tenant = Tenant(users=400, permissions=permissions.deployed_whole())
    async with connected(tenant, EXPORT_RANGE_USERS="150") as edges:
        done = await run_export(edges, columns=EVERY)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["errors"] == []
    rows = rows_of(done.csv)
    assert list(rows[0]) == EVERY
    empty = {header for header in EVERY if not any(row[header] for row in rows)}
    assert empty == OF_DELETED, "columns that are empty for all"


async def test_with_everything_switched_off_those_cells_are_empty_and_each_permission_is_missed_once(
    connected: Connect,
) -> None:
    tenant = Tenant(users=400, permissions=permissions.deployed())
    async with connected(tenant, EXPORT_RANGE_USERS="150") as edges:
        done = await run_export(edges, columns=EVERY)
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    missing = {AUTHENTICATION, SIGN_IN, REGISTRATION, ROLES}
    rows = rows_of(done.csv)
    empty = {COLUMNS[header].source for header in EVERY if not any(row[header] for row in rows)}
    assert empty == missing | OF_DELETED
    errors = done.results["errors"]
    # Products keep the names that the app itself knows.
    assert len(errors) == len(missing) + 1
    assert all(error["reason"] and "user" not in error for error in errors)
    named = {header for error in errors for header in error["column"].split(", ")}
    assert named == {header for header in EVERY if COLUMNS[header].source in missing | LICENSES}
    needed = {COLUMNS[header].permission for header in named} - {None}
    assert {name for name in needed if any(name in error["reason"] for error in errors)} == needed


async def test_without_any_permission_the_export_fails_with_graphs_reason(connected: Connect) -> None:
    tenant = Tenant(users=10, permissions=frozenset())
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=EVERY)
    check_results(done.results, "Failed")
    assert "Insufficient privileges" in done.results["errors"][0]["reason"]
    assert done.csv is None
