"""A preview tells what an export would give: the count, the first rows as they will be, the cost, what is missing."""

from typing import Any

import pytest

from local.tenant import Tenant, create_user
from shared.errors import GraphError, Transient
from shared.export import preview
from shared.export.context import Record
from shared.files.columns import COLUMN_SETS
from shared.storage import blobs
from tests.integration.runner import Connect, run_export
from tests.integration.truth import rows_of


def asked(columns: Any = "profile", users: Any = 0, **request: Any) -> Any:
    named = list(COLUMN_SETS[columns] if isinstance(columns, str) else columns)
    return Record("", "2026-01-01T00:00:00Z", {"id": "1", "name": "Ann"}, "users", named, users=users, **request)


async def previewed(connected: Connect, tenant: Tenant, users: tuple[str, ...] = (), **request: Any) -> Any:
    async with connected(tenant) as edges:
        found = await preview.preview(edges.graph, edges.settings, asked(users=len(users), **request), users)
        assert [name async for name in blobs.names(edges.storage, "")] == []
    return found


async def test_it_has_the_count_and_the_first_rows_as_the_file_will_have_them(connected: Connect) -> None:
    tenant = Tenant(users=40)
    create_user(tenant, {"id": "0" * 36, "userPrincipalName": "hard@example.com", "displayName": "=1+1"})
    columns = ["objectId", "displayName", "accountEnabled", "createdDateTime"]
    found = await previewed(connected, tenant, columns=columns)
    assert found["count"] == 41
    assert found["columns"] == columns
    assert len(found["rows"]) == 5
    assert found["problems"] == []
    async with connected(tenant) as edges:
        rows = [[*row.values()] for row in rows_of((await run_export(edges, columns=columns)).csv)]
    assert all(row in rows for row in found["rows"])
    only = await previewed(connected, tenant, columns=columns, filter="userPrincipalName eq 'hard@example.com'")
    assert (only["count"], [row[1] for row in only["rows"]]) == (1, ["'=1+1"])


async def test_cells_of_other_formats_keep_their_types(connected: Connect) -> None:
    found = await previewed(connected, Tenant(users=9), columns=["accountEnabled", "businessPhones"], format="jsonl")
    assert {type(row[0]) for row in found["rows"]} == {bool}
    assert {type(row[1]) for row in found["rows"]} == {list}
    found = await previewed(connected, Tenant(users=9), columns=["accountEnabled", "businessPhones"], format="xlsx")
    assert {type(row[0]) for row in found["rows"]} == {bool}
    assert {type(row[1]) for row in found["rows"]} <= {str, type(None)}


async def test_calls_for_each_user_are_counted_and_cost_time(connected: Connect) -> None:
    quick = await previewed(connected, Tenant(users=3000))
    slow = await previewed(connected, Tenant(users=3000), columns="documented")
    assert quick["estimate"]["perUserCalls"] == 0
    assert slow["estimate"]["perUserCalls"] == 3000
    assert slow["estimate"]["seconds"] > 100 * quick["estimate"]["seconds"]
    # 150 batches, and four pages of the registration report.
    assert slow["estimate"]["requests"] == quick["estimate"]["requests"] + 154


async def test_what_is_not_permitted_is_named_with_its_permission_and_the_rest_is_shown(connected: Connect) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("status", status=403, match="/authentication/methods", rate=1.0, code="Denied")
    tenant.faults.add("status", status=403, match="signInActivity", rate=1.0, code="Denied")
    found = await previewed(connected, tenant, columns=["objectId", "authenticationEmail", "lastSignInDateTime"])
    assert {each["column"]: each["permission"] for each in found["problems"]} == {
        "authenticationEmail": "UserAuthenticationMethod.Read.All",
        "lastSignInDateTime": "AuditLog.Read.All",
    }
    assert len(found["rows"]) == 5


async def test_without_any_permission_the_reason_is_told_and_no_rows(connected: Connect) -> None:
    tenant = Tenant(users=300)
    tenant.faults.add("status", status=403, match="/users", rate=1.0, code="Authorization_RequestDenied")
    found = await previewed(connected, tenant)
    assert (found["count"], found["rows"]) == (None, [])
    assert [each["code"] for each in found["problems"]] == ["Authorization_RequestDenied"]
    assert found["estimate"] == {"requests": None, "seconds": None, "perUserCalls": None}


async def test_a_tenant_without_counts_has_rows_and_no_count(connected: Connect) -> None:
    found = await previewed(connected, Tenant(users=30, shape="b2c"))
    assert (found["count"], len(found["rows"])) == (None, 5)


async def test_a_filter_that_graph_refuses_is_raised_with_graphs_words(connected: Connect) -> None:
    with pytest.raises(GraphError) as refused:
        await previewed(connected, Tenant(users=30), filter="nope eq 'x'")
    assert refused.value.status == 400
    assert "nope" in refused.value.reason


async def test_selected_users_are_counted_as_given_and_who_is_missing_is_told(connected: Connect) -> None:
    tenant = Tenant(users=30)
    known = [user["id"] for user in tenant.all_users(("id",))][:9]
    found = await previewed(connected, tenant, users=("nobody@example.com", *known))
    assert (found["count"], len(found["rows"])) == (10, 4)
    assert [each["user"] for each in found["problems"]] == ["nobody@example.com"]


async def test_a_graph_that_does_not_answer_is_not_waited_for(connected: Connect) -> None:
    tenant = Tenant(users=30)
    tenant.faults.add("status", status=503, match="/users", rate=1.0)
    with pytest.raises((Transient, TimeoutError)):
        await previewed(connected, tenant)


async def test_manager_licenses_and_roles_are_as_in_the_file_and_the_report_is_not_read(connected: Connect) -> None:
    tenant = Tenant(users=40)
    columns = ["objectId", "managerDisplayName", "sponsorIds", "licenses", "directoryRoles", "isMfaRegistered"]
    found = await previewed(connected, tenant, columns=columns)
    async with connected(tenant) as edges:
        rows = [[*row.values()] for row in rows_of((await run_export(edges, columns=columns)).csv)]
    at = columns.index("isMfaRegistered")
    assert len(found["rows"]) == 5
    assert all(row[:at] in [each[:at] for each in rows] and row[at] == "" for row in found["rows"])
    assert [(each["code"], each["column"]) for each in found["problems"]] == [("NotInPreview", "isMfaRegistered")]
    assert "permission" not in found["problems"][0]
