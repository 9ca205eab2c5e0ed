"""Whose users: deleted ones, members of a group with its groups, members of an administrative unit; each once."""

import functools
from typing import Any

import pytest

from local.tenant import Tenant, delete_user, update_user
from local.tenant.directory import living, user_id
from local.tenant.membership import (
    DEEP,
    EVERYONE,
    HIDDEN,
    HIDDEN_UNIT,
    NOBODY,
    STAFF,
    TEAM,
    UNIT,
    UNITS,
    WITH_HIDDEN,
    within,
)
from local.tenant.rendering import values
from shared.errors import GraphError
from shared.export import activities, members, preview
from shared.export.context import Edges
from shared.files.columns import COLUMN_SETS
from shared.graph.scopes import Scope
from shared.storage import blobs
from shared.storage.names import cancelled_name, work_name
from tests.integration.runner import PAGES_OF_RANGES, Connect, Context, Export, run_export, watch
from tests.integration.test_preview import asked
from tests.integration.truth import check_ids, check_results, ids_of, rows_of

READ, READ_GROUPS, READ_UNITS = "User.Read.All", "GroupMember.Read.All", "AdministrativeUnit.Read.All"
READ_HIDDEN = "Member.Read.Hidden"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
COLUMNS = ["objectId", "displayName", "managerDisplayName"]
LIST = "transitiveMembers/microsoft.graph.user?$top=999"
MANY = 5_100
"""Users of a tenant whose groups are read as ranges: every fifth are more than members.FEW."""


def members_of(tenant: Tenant, scope: Scope) -> set[str]:
    unit = scope.administrative_unit
    every = (UNITS[unit].every,) if unit else within(scope.group)
    found = (at for at in living(tenant.directory) if any(each and at % each == 0 for each in every))
    return {user_id(tenant.directory, at) for at in found}


def deleted_of(tenant: Tenant) -> set[str]:
    return {values(tenant.bin, at, ("id",))["id"] for at in living(tenant.bin)}


def codes(done: Export, kind: str) -> list[str]:
    return [each["code"] for each in done.results[kind]]


def is_sifted(done: Export) -> bool:
    return any(name == "report" for name, _, _ in done.context.calls)


@pytest.mark.parametrize("users", [1_500, MANY], ids=["few", "many"])
@pytest.mark.parametrize(
    "scope",
    [
        Scope(group=STAFF),
        Scope(group=DEEP),
        Scope(group=TEAM),
        Scope(group=EVERYONE),
        Scope(group=NOBODY),
        Scope(group=HIDDEN),
        Scope(administrative_unit=UNIT),
        Scope(administrative_unit=HIDDEN_UNIT),
    ],
    ids=str,
)
async def test_each_member_is_exported_once_by_either_road(connected: Connect, scope: Scope, users: int) -> None:
    tenant = Tenant(users=users)
    async with connected(tenant, EXPORT_RANGE_USERS="1500") as edges:
        done = await run_export(edges, columns=COLUMNS, scope=scope)
    wanted = members_of(tenant, scope)
    check_results(done.results, "Completed")
    check_ids(done.csv, wanted)
    assert done.results["counts"]["expected"] == done.results["file"]["rows"] == len(wanted)
    assert done.results["request"]["scope"] == scope.shown()
    assert done.results["warnings"] == []
    assert is_sifted(done) == (len(wanted) > members.FEW)


@pytest.mark.parametrize("shape", ["burst", "null90", "onehour"])
async def test_members_are_exported_once_in_every_shape_of_tenant(connected: Connect, shape: str) -> None:
    tenant = Tenant(users=MANY, shape=shape)
    async with connected(tenant, EXPORT_RANGE_USERS="700") as edges:
        done = await run_export(edges, columns=["objectId"], scope=Scope(group=STAFF))
    check_results(done.results, "Completed")
    check_ids(done.csv, members_of(tenant, Scope(group=STAFF)))
    assert is_sifted(done)


async def test_the_cells_of_members_are_those_that_the_tenant_has(connected: Connect) -> None:
    columns = ["objectId", "displayName", "managerDisplayName", "sponsorIds", "licenses", "directoryRoles"]
    columns += ["isMfaRegistered", "lastSignInDateTime", "authenticationEmail"]
    tenant = Tenant(users=600)
    async with connected(tenant) as edges:
        whole = {row["objectId"]: row for row in rows_of((await run_export(edges, columns=columns)).csv)}
        done = await run_export(edges, columns=columns, scope=Scope(group=STAFF))
        few = await run_export(edges, columns=columns[:-2], scope=Scope(group=STAFF))
    assert is_sifted(done), "sign-ins are limited by request, so they are read page by page"
    for each in (done, few):
        check_results(each.results, "Completed")
        check_ids(each.csv, members_of(tenant, Scope(group=STAFF)))
        for row in rows_of(each.csv):
            assert row == {name: whole[row["objectId"]][name] for name in row}


@pytest.mark.parametrize("users", [1_500, MANY], ids=["few", "many"])
@pytest.mark.parametrize("scope", [Scope(group=STAFF), Scope(administrative_unit=UNIT)], ids=str)
async def test_a_filter_holds_among_members(connected: Connect, scope: Scope, users: int) -> None:
    tenant = Tenant(users=users)
    inside = members_of(tenant, scope)
    wanted = {
        user["id"]
        for user in tenant.all_users(("id", "userType"))
        if user["userType"] == "Guest" and user["id"] in inside
    }
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=COLUMNS, scope=scope, filter="userType eq 'Guest'")
    check_results(done.results, "Completed")
    check_ids(done.csv, wanted)
    assert done.results["counts"]["expected"] == len(wanted) > 0


async def test_a_filter_that_graph_refuses_there_is_told_in_graphs_words(connected: Connect) -> None:
    for scope in (Scope(group=STAFF), Scope(deleted=True)):
        async with connected(Tenant(users=300)) as edges:
            done = await run_export(edges, scope=scope, filter="nope eq 'x'")
        check_results(done.results, "Failed")
        assert "nope" in done.results["errors"][0]["reason"]


@pytest.mark.parametrize("columns", ["documented", "people"])
async def test_deleted_users_come_with_the_time(connected: Connect, columns: str) -> None:
    tenant = Tenant(users=30_000)
    gone = tenant.all_users(("id",))[7]["id"]
    delete_user(tenant, gone)
    names = [*COLUMN_SETS[columns], "deletedDateTime"]
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=names, scope=Scope(deleted=True))
    check_results(done.results, "Completed")
    check_ids(done.csv, deleted_of(tenant))
    assert gone in {row["objectId"] for row in rows_of(done.csv)}
    assert all(row["deletedDateTime"] for row in rows_of(done.csv))
    assert done.results["counts"]["expected"] == 301
    assert codes(done, "warnings") == ["NotOfDeletedUsers"]
    assert done.results["request"]["scope"] == {"deleted": True}


async def test_deleted_users_are_filtered_and_those_of_a_tenant_without_counts_are_exported_too(
    connected: Connect,
) -> None:
    tenant = Tenant(users=9_000)
    everyone = [{"id": user_id(tenant.bin, at)} for at in living(tenant.bin)]
    async with connected(tenant) as edges:
        done = await run_export(
            edges, columns=["objectId", "userType"], scope=Scope(deleted=True), filter="userType eq 'Guest'"
        )
    check_results(done.results, "Completed")
    assert 0 < done.results["counts"]["expected"] == len(rows_of(done.csv)) < len(everyone)
    assert {row["userType"] for row in rows_of(done.csv)} == {"Guest"}
    alone = Tenant(users=9_000, shape="b2c")
    async with connected(alone) as edges:
        done = await run_export(edges, scope=Scope(deleted=True))
    check_results(done.results, "Completed")
    check_ids(done.csv, deleted_of(alone))
    assert codes(done, "warnings") == ["CompletenessUnchecked"]


async def test_sign_ins_of_deleted_users_come_where_graph_has_them_and_are_an_error_where_not(
    connected: Connect,
) -> None:
    tenant = Tenant(users=3_000)
    tenant.faults.add("status", status=403, match="signInActivity", rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "lastSignInDateTime"], scope=Scope(deleted=True))
    check_results(done.results, "CompletedWithErrors")
    check_ids(done.csv, deleted_of(tenant))
    assert [each["column"] for each in done.results["errors"]] == ["lastSignInDateTime"]


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        (Scope(group=UNKNOWN), "GroupNotFound"),
        (Scope(administrative_unit=UNKNOWN), "AdministrativeUnitNotFound"),
        (Scope(administrative_unit=STAFF), "AdministrativeUnitNotFound"),
    ],
    ids=str,
)
async def test_an_unknown_group_or_unit_is_named(connected: Connect, scope: Scope, code: str) -> None:
    async with connected(Tenant(users=300)) as edges:
        done = await run_export(edges, scope=scope)
        shown = await preview.preview(edges.graph, edges.settings, asked(scope=scope), ())
    check_results(done.results, "Failed")
    assert codes(done, "errors") == [code]
    assert (scope.group or scope.administrative_unit) in done.results["errors"][0]["reason"]
    assert (shown["count"], [each["code"] for each in shown["problems"]]) == (None, [code])


@pytest.mark.parametrize(
    ("scope", "granted", "missing"),
    [
        (Scope(group=STAFF), (), READ_GROUPS),
        (Scope(administrative_unit=UNIT), (READ_GROUPS,), READ_UNITS),
        (Scope(group=HIDDEN), (READ_GROUPS,), READ_HIDDEN),
        (Scope(administrative_unit=HIDDEN_UNIT), (READ_UNITS,), READ_HIDDEN),
        (Scope(group=WITH_HIDDEN), (READ_GROUPS,), READ_HIDDEN),
    ],
    ids=str,
)
@pytest.mark.parametrize("hidden", ["refused", "nobody"])
async def test_a_missing_permission_is_named_and_hidden_members_are_never_missing_in_silence(
    connected: Connect, scope: Scope, granted: tuple[str, ...], missing: str, hidden: str
) -> None:
    tenant = Tenant(users=600, permissions=frozenset((READ, *granted)), hidden_members=hidden)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=COLUMNS, scope=scope)
        shown = await preview.preview(edges.graph, edges.settings, asked(scope=scope), ())
    inside = scope.group == WITH_HIDDEN and hidden == "nobody"
    check_results(done.results, "CompletedWithErrors" if inside else "Failed")
    assert missing in done.results["errors"][0]["reason"]
    assert missing in shown["problems"][0]["reason"]
    assert (done.csv is None) == (not inside)


async def test_members_are_read_with_the_least_permissions(connected: Connect) -> None:
    for scope, needed in (
        (Scope(group=STAFF), (READ_GROUPS,)),
        (Scope(administrative_unit=UNIT), (READ_UNITS,)),
        (Scope(group=WITH_HIDDEN), (READ_GROUPS, READ_HIDDEN)),
        (Scope(deleted=True), ()),
    ):
        tenant = Tenant(users=600, permissions=frozenset((READ, *needed)))
        async with connected(tenant) as edges:
            done = await run_export(edges, scope=scope)
        check_results(done.results, "Completed")
        check_ids(done.csv, deleted_of(tenant) if scope.deleted else members_of(tenant, scope))


def before_users(change: Any) -> Any:
    """For `watch`: calls `change` once, when the members are listed and the first of them are asked for."""
    done: list[str] = []

    def before(target: str) -> None:
        listed = "transitiveMembers" not in target and ("$batch" in target or "createdDateTime+ge" in target)
        if listed and members_read(target) and not done:
            done.append(target)
            change()

    return before


def members_read(target: str) -> bool:
    return "$top=999" in target or "$batch" in target


@pytest.mark.parametrize("users", [1_500, MANY], ids=["few", "many"])
async def test_who_is_deleted_meanwhile_is_left_out_and_counted(connected: Connect, users: int) -> None:
    tenant = Tenant(users=users)
    scope = Scope(group=STAFF)
    before = members_of(tenant, scope)
    gone = sorted(before)[:5]
    seen: list[str] = []

    def change(target: str) -> None:
        # The ids are read: what follows are users.
        if "transitiveMembers/microsoft.graph.user?$top=999" in target:
            seen.append(target)
        elif len(seen) >= len(before) / 999 and gone and ("createdDateTime" in target or "$batch" in target):
            for user in gone:
                delete_user(tenant, user)
            gone.clear()

    watch(tenant, change)
    async with connected(tenant, EXPORT_RANGE_USERS="1500") as edges:
        done = await run_export(edges, columns=COLUMNS, scope=scope)
    check_results(done.results, "Completed")
    check_ids(done.csv, members_of(tenant, scope))
    assert len(rows_of(done.csv)) == len(before) - 5
    assert codes(done, "warnings") == (["MembersLeft"] if users < MANY else ["CountDiffers"])


async def test_members_whom_graph_leaves_out_of_its_pages_are_read_again(connected: Connect) -> None:
    tenant = Tenant(users=MANY)
    scope = Scope(group=STAFF)
    tenant.faults.add("lose_link", match=PAGES_OF_RANGES, page=1)
    async with connected(tenant, EXPORT_RANGE_USERS="2000") as edges:
        done = await run_export(edges, columns=COLUMNS, scope=scope)
    check_results(done.results, "Completed")
    check_ids(done.csv, members_of(tenant, scope))
    assert tenant.faults.applied == {"lose_link": 1}
    assert done.results["counts"]["restarts"] > 0


async def test_members_who_are_missing_again_fail_the_export(connected: Connect) -> None:
    tenant = Tenant(users=MANY)
    tenant.faults.add("lose_link", match=PAGES_OF_RANGES, page=1, rate=1.0)
    async with connected(tenant, EXPORT_RANGE_USERS="2000") as edges:
        done = await run_export(edges, columns=COLUMNS, scope=Scope(group=STAFF))
    check_results(done.results, "Failed")
    assert codes(done, "errors") == ["MembersMissing"]
    assert done.csv is None


@pytest.mark.parametrize(("users", "page"), [(1_000, 1), (MANY, 4)], ids=["few", "many"])
async def test_a_list_of_members_that_ended_too_soon_is_read_again(connected: Connect, users: int, page: int) -> None:
    tenant = Tenant(users=users)
    scope = Scope(group=EVERYONE)
    tenant.faults.add("lose_link", match=LIST, page=page, times=1)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=COLUMNS, scope=scope)
    check_results(done.results, "Completed")
    check_ids(done.csv, members_of(tenant, scope))
    assert tenant.faults.applied == {"lose_link": 1}
    assert done.results["warnings"] == []


@pytest.mark.parametrize("users", [1_500, MANY], ids=["few", "many"])
async def test_a_list_of_members_that_ends_too_soon_gives_no_file(connected: Connect, users: int) -> None:
    tenant = Tenant(users=users)
    tenant.faults.add("lose_link", match="transitiveMembers/microsoft.graph.user?$top=999", page=1, rate=1.0)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=COLUMNS, scope=Scope(group=EVERYONE))
    check_results(done.results, "Failed")
    assert codes(done, "errors") == ["TooFewUsers"]


@pytest.mark.parametrize("users", [1_500, MANY], ids=["few", "many"])
async def test_faults_cost_no_member(connected: Connect, users: int) -> None:
    tenant = Tenant(users=users)
    for kind in ("duplicate_user", "empty_page", "expired_token", "truncate", "throttle"):
        tenant.faults.add(kind, match="transitiveMembers", rate=0.3, times=3, retry_after=0)
    tenant.faults.add("expired_token", match=PAGES_OF_RANGES, rate=0.1)
    tenant.faults.add("status", status=503, rate=0.1)
    scope = Scope(group=EVERYONE)
    async with connected(tenant, EXPORT_RANGE_USERS="1500") as edges:
        done = await run_export(edges, columns=COLUMNS, scope=scope)
    check_results(done.results, "Completed")
    check_ids(done.csv, members_of(tenant, scope))


async def test_many_members_are_read_in_segments_and_by_two_executions_at_once(connected: Connect) -> None:
    tenant = Tenant(users=MANY)
    scope = Scope(group=EVERYONE)
    columns = ["objectId", "isMfaRegistered", "lastSignInDateTime"]
    now = iter(range(0, 10**9, 130))  # Each look at the clock is after a segment's end.
    async with connected(tenant, EXPORT_RANGE_USERS="1500") as edges:
        slow = Edges(edges.graph, edges.storage, edges.settings, clock=lambda: float(next(now)))
        done = await run_export(slow, columns=columns, scope=scope, context=Context(slow, {}, twice=0.5))
        left = [name async for name in blobs.names(edges.storage, work_name(done.id, ""))]
    check_results(done.results, "Completed")
    check_ids(done.csv, ids_of(tenant))
    assert [task["state"] for name, task, _ in done.context.calls if name == "report" and task.get("state")]
    assert left == []


async def test_a_renamed_member_is_exported_once(connected: Connect) -> None:
    tenant = Tenant(users=MANY, shape="null90")
    scope = Scope(group=STAFF)
    some = sorted(members_of(tenant, scope))[:6]
    asked_for: list[str] = []

    def change(target: str) -> None:
        if "startsWith" in target and "$top=999" in target and some:
            asked_for.append(target)
            user = some.pop()
            update_user(tenant, user, {"userPrincipalName": f"{'az'[len(some) % 2]}renamed{len(some)}@contoso.com"})

    watch(tenant, change)
    async with connected(tenant, EXPORT_RANGE_USERS="500") as edges:
        done = await run_export(edges, columns=["objectId"], scope=scope)
    check_results(done.results, "Completed")
    check_ids(done.csv, members_of(tenant, scope))
    assert asked_for


async def test_cancelled_while_members_are_listed_it_ends_without_a_file(connected: Connect) -> None:
    tenant = Tenant(users=MANY)
    async with connected(tenant) as edges:
        context = Context(edges, {})

        async def run(on: Edges, name: str, task: Any) -> Any:
            if name == "report":
                context.cancel.set()
                await blobs.write(on.storage, cancelled_name(task["id"]), b"")
            return await activities.run(on, name, task)

        now = iter(range(0, 10**9, 5))
        context.edges, context.run = Edges(edges.graph, edges.storage, edges.settings, lambda: float(next(now))), run
        done = await run_export(edges, columns=["objectId"], scope=Scope(group=EVERYONE), context=context)
    check_results(done.results, "Cancelled")
    assert done.csv is None


async def test_a_preview_has_the_members_count_and_first_rows(connected: Connect) -> None:
    for users in (1_500, MANY):
        tenant = Tenant(users=users)
        async with connected(tenant) as edges:
            shown = functools.partial(preview.preview, edges.graph, edges.settings)
            for scope in (Scope(group=DEEP), Scope(administrative_unit=UNIT)):
                found = await shown(asked(columns=["objectId"], scope=scope), ())
                inside = members_of(tenant, scope)
                assert found["count"] == len(inside)
                assert len({row[0] for row in found["rows"]} & inside) == 5
                assert found["problems"] == []
                assert found["estimate"]["requests"] > 20
            empty = await shown(asked(columns=["objectId"], scope=Scope(group=NOBODY)), ())
            assert (empty["count"], empty["rows"]) == (0, [])
            with pytest.raises(GraphError, match="nope"):
                await shown(asked(scope=Scope(group=DEEP), filter="nope eq 'x'"), ())


async def test_a_preview_of_deleted_users_has_no_count_where_graph_has_none(connected: Connect) -> None:
    for shape, count in (("normal", 90), ("b2c", None)):
        tenant = Tenant(users=9_000, shape=shape)
        async with connected(tenant) as edges:
            record = asked(columns=["objectId", "deletedDateTime", "managerId"], scope=Scope(deleted=True))
            found = await preview.preview(edges.graph, edges.settings, record, ())
        assert found["count"] == count
        assert {row[0] for row in found["rows"]} <= deleted_of(tenant)
        assert [row[1] != "" and row[2] == "" for row in found["rows"]] == [True] * 5
        assert [each["code"] for each in found["problems"]] == ["NotOfDeletedUsers"]
