"""Whatever Graph does: each user is in the file exactly once, or the export is Failed with the reason and no file."""

import asyncio
import math
import random
from typing import Any
from uuid import UUID

import pytest

from local.tenant import Tenant, create_user, delete_user, update_user
from shared.errors import Transient
from shared.export import activities
from shared.export.context import read_plan
from shared.graph import batches, pages
from shared.storage import blobs
from shared.storage.names import results_name
from tests.integration.runner import (
    PAGES_OF_RANGES,
    SAMPLES,
    Connect,
    Context,
    Export,
    Json,
    before_pages,
    run_export,
    watch,
)
from tests.integration.truth import check_complete, check_results, ids_of

PAGE_TOKEN_ERRORS = (
    "Directory_ExpiredPageToken",
    "DirectoryPageTokenNotFoundException",
    "Request_BadRequest",
)

HTML = "<html><body>The page cannot be displayed.</body></html>"
ERRORS: tuple[Any, ...] = (
    {"code": "generalException", "message": "Try again."},
    {"code": None},
    {"code": 5, "message": None},
    "busy",
    {},
)


async def export_with(connected: Connect, tenant: Tenant, *faults: dict[str, Any], **options: Any) -> Export:
    for fault in faults:
        tenant.faults.add(**fault)
    hangs = any(fault["kind"] == "hang" for fault in faults)
    # Two pages a range, so that there are second pages to hit. A busy machine must not look like a Graph that hangs.
    async with connected(tenant, EXPORT_RANGE_USERS="1200", timeout=0.5 if hangs else 60) as edges:
        return await run_export(edges, **options)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle", "rate": 0.3, "retry_after": 1},
        {"kind": "throttle", "rate": 0.3},
        {"kind": "throttle", "match": "/users?", "times": 40, "retry_after": 5},
        *(
            {"kind": "status", "status": status, "rate": 0.3}
            for status in (409, 423, 500, 502, 503, 504, 509, 520, 530)
        ),
        *({"kind": "status", "status": status, "rate": 0.3, "body": HTML} for status in (200, 302, 400, 403, 404, 503)),
        *({"kind": "status", "status": 200, "rate": 0.3, "body": {"error": error}} for error in ERRORS),
        {"kind": "status", "status": 429, "rate": 0.3, "retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"},
        {"kind": "late_error", "match": PAGES_OF_RANGES, "rate": 0.3},
        {"kind": "reset", "rate": 0.3},
        {"kind": "hang", "match": "/users?", "times": 2},
        {"kind": "truncate", "rate": 0.2},
        {"kind": "unauthorized", "match": "/users?", "page": 2},
        {"kind": "empty_page", "rate": 0.3},
        {"kind": "duplicate_user", "rate": 0.5},
        {"kind": "repeat_link", "page": 2},
        *({"kind": "expired_token", "page": 2, "code": code, "times": 3} for code in PAGE_TOKEN_ERRORS),
        {"kind": "count_lag", "rate": 1.0, "share": 0.1},
    ],
    ids=lambda fault: " ".join(str(value) for value in fault.values()),
)
async def test_what_passes_is_survived(connected: Connect, fault: dict[str, Any]) -> None:
    tenant = Tenant(users=2400)
    done = await export_with(connected, tenant, fault)
    assert tenant.faults.applied.get(fault["kind"], 0) > 0
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)


async def test_results_say_how_often_graph_throttled_and_how_quick_the_export_was(
    connected: Connect,
) -> None:
    tenant = Tenant(users=4000)
    done = await export_with(
        connected, tenant, {"kind": "throttle", "match": PAGES_OF_RANGES, "times": 7, "retry_after": 1}
    )
    rate, counts = done.results["rate"], done.results["counts"]
    assert rate["throttled"] == 7 <= counts["retries"]
    assert rate["usersPerSecond"] / 4000 == pytest.approx(rate["requestsPerSecond"] / counts["requests"], rel=0.02)


@pytest.mark.parametrize(
    "fault",
    [
        {"match": "/$batch", "rate": 1.0},
        {"match": "/$batch", "rate": 1.0, "status": 400},
        {"match": PAGES_OF_RANGES, "rate": 1.0},
        {"match": PAGES_OF_RANGES, "rate": 1.0, "status": 400},
        {"match": "/users/delta", "nth": 2, "times": 10**6},
        {"match": "/users/delta", "nth": 2, "times": 10**6, "status": 400},
    ],
    ids=["plan raises", "plan fails", "export raises", "export fails", "check raises", "check fails"],
)
async def test_a_failed_export_counts_the_requests_of_the_step_that_failed(
    connected: Connect, fault: dict[str, Any]
) -> None:
    tenant = Tenant(users=2400, shape="null90")
    done = await export_with(connected, tenant, {"kind": "status", **fault})
    check_results(done.results, "Failed")
    assert tenant.faults.applied["status"] > 0
    assert done.results["counts"]["requests"] > tenant.faults.applied["status"]


@pytest.mark.parametrize("match", ["/authentication/methods", "$select=", "/users/$count"])
@pytest.mark.parametrize(
    "fault",
    [
        *({"status": status} for status in (401, 409, 423, 502, 520)),
        {"status": 429, "retry_after": "0,120"},
        {"status": 509, "times": 60},
        *({"status": status, "body": HTML} for status in (200, 400, 403, 404)),
        {"status": 200, "body": {"error": {"code": None, "message": "Try again."}}},
        {"status": 200, "body": {"error": "busy"}},
    ],
    ids=lambda fault: " ".join(str(value) for value in fault.values()),
)
async def test_what_passes_in_a_part_of_a_batch_is_survived(
    connected: Connect, match: str, fault: dict[str, Any]
) -> None:
    tenant = Tenant(users=60)
    # Of a part that fails three times is said so: fewer than that for any of them.
    tenant.faults.add("status", match=match, **{"times": 2, **fault})
    users = [] if match == "/users/$count" else [user["id"] for user in tenant.all_users(("id",))]
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "authenticationPhoneNumber"], users=users)
    assert tenant.faults.applied["status"] == fault.get("times", 2)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["expected"] == 60


async def test_when_graph_throttles_authentication_methods_their_batches_slow_down_and_no_page_of_users(
    connected: Connect,
) -> None:
    tenant = Tenant(users=60)
    tenant.faults.add("throttle", match="/authentication/methods", retry_after=1, times=5)
    async with connected(tenant) as edges:
        done = await run_export(edges, columns=["objectId", "authenticationPhoneNumber"])
        assert edges.graph.methods_pace.room < math.inf
        assert edges.graph.pace.room == math.inf
    check_results(done.results, "Completed")
    assert done.results["rate"]["throttled"] == 5


async def test_when_graph_throttles_counts_all_requests_slow_down(connected: Connect) -> None:
    tenant = Tenant(users=60)
    tenant.faults.add("throttle", match="eq 'HR'", retry_after=1, times=2)
    async with connected(tenant) as edges:
        await batches.counts(edges.graph, ["department eq 'HR'", ""])
        assert edges.graph.pace.room < math.inf
        assert edges.graph.methods_pace.room == math.inf


async def test_failures_of_a_batch_and_of_its_parts_are_counted_apart(connected: Connect) -> None:
    tenant = Tenant(users=60)
    # Each fails once less than its bound; together they fail more often than any request may.
    tenant.faults.add("status", match="/$batch", times=7)
    tenant.faults.add("status", match="eq 'HR'", times=7)
    tenant.faults.add("status", match="eq 'IT'", times=7)
    async with connected(tenant) as edges:
        filters = ["department eq 'HR'", "department eq 'IT'", ""]
        found = await batches.counts(edges.graph, filters)
    assert tenant.faults.applied["status"] == 21
    assert found[2] == 60


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        ({"code": None, "message": "No phone for you."}, "HTTP403", "No phone for you."),
        ({"code": 17, "message": "No phone for you."}, "17", "No phone for you."),
        ("No phone for you.", "HTTP403", "No phone for you."),
    ],
    ids=["code null", "code a number", "error a text"],
)
async def test_graphs_words_are_in_the_results_whatever_their_form(
    connected: Connect, error: Any, code: str, reason: str
) -> None:
    tenant = Tenant(users=30)
    user = tenant.all_users(("id",))[7]["id"]
    tenant.faults.add("status", status=403, match=f"{user}/authentication", body={"error": error}, rate=1.0)
    async with connected(tenant, EXPORT_AUTHENTICATION_ASK="all") as edges:
        done = await run_export(edges, columns=["objectId", "authenticationPhoneNumber"])
    check_results(done.results, "CompletedWithErrors")
    check_complete(done.csv, tenant)
    [entry] = done.results["errors"]
    assert (entry["code"], entry["reason"], entry["user"]) == (code, reason, user)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "status", "status": 503, "match": "/users?", "rate": 1.0}, "ActivityFailed"),
        ({"kind": "hang", "match": "/users?", "rate": 1.0}, "ActivityFailed"),
        ({"kind": "unauthorized", "rate": 1.0}, "ActivityFailed"),
        ({"kind": "expired_token", "rate": 1.0}, "Directory_ExpiredPageToken"),
        ({"kind": "repeat_link", "rate": 1.0}, "RepeatedLink"),
        ({"kind": "foreign_link", "match": PAGES_OF_RANGES}, "ForeignLink"),
        ({"kind": "ignore_filter", "match": PAGES_OF_RANGES, "nth": 2}, "FilterIgnored"),
        ({"kind": "wrong_type", "match": PAGES_OF_RANGES, "nth": 2, "property": "id"}, "UnreadableAnswer"),
        ({"kind": "late_error", "match": PAGES_OF_RANGES, "rate": 1.0}, "ActivityFailed"),
        ({"kind": "status", "status": 403, "match": PAGES_OF_RANGES, "nth": 2, "code": "Denied"}, "Denied"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_does_not_pass_fails_with_the_reason_and_leaves_no_file(
    connected: Connect, fault: dict[str, Any], code: str
) -> None:
    tenant = Tenant(users=2400)
    done = await export_with(connected, tenant, fault)
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == code
    assert len(done.results["errors"][-1]["reason"]) > 20
    assert done.csv is None
    assert done.results["file"] is None


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "throttle", "retry_after": 5},
        {"kind": "status", "status": 403},
        {"kind": "wrong_type", "property": "createdDateTime"},
        {"kind": "foreign_link"},
        {"kind": "reset"},
        {"kind": "hang"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}",
)
async def test_a_sample_that_does_not_come_costs_nothing_but_more_counts(
    connected: Connect, fault: dict[str, Any]
) -> None:
    tenant = Tenant(users=6_000)
    done = await export_with(connected, tenant, {**fault, "match": SAMPLES, "rate": 1.0})
    assert tenant.faults.applied[fault["kind"]] >= 7
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert done.results["counts"]["retries"] == 0


@pytest.mark.long
async def test_a_sample_is_not_waited_for(connected: Connect) -> None:
    tenant = Tenant(users=6_000)
    tenant.faults.add("hang", match=SAMPLES, rate=1.0)
    async with connected(tenant, timeout=600) as edges, asyncio.timeout(100):
        done = await run_export(edges)
    check_complete(done.csv, tenant)


async def test_a_token_never_goes_to_another_host(connected: Connect) -> None:
    tenant = Tenant(users=9000)
    async with connected(tenant, EXPORT_RANGE_USERS="2500") as edges:
        # Another name of the same server: following the link would be seen there.
        other_name = edges.settings.graph_endpoint.replace("127.0.0.1", "localhost")
        tenant.faults.add("foreign_link", match=PAGES_OF_RANGES, host=other_name)
        done = await run_export(edges)
    check_results(done.results, "Failed")
    assert all(host.startswith("127.0.0.1") for host in tenant.stats.hosts)


async def test_a_count_that_lags_is_a_warning_with_both_numbers(connected: Connect) -> None:
    tenant = Tenant(users=4000)
    done = await export_with(connected, tenant, {"kind": "count_lag", "rate": 1.0, "share": 0.1})
    check_complete(done.csv, tenant)
    warning = next(each for each in done.results["warnings"] if each["code"] == "CountDiffers")
    assert str(done.results["counts"]["expected"]) in warning["reason"]
    assert "4000" in warning["reason"]


async def test_far_fewer_users_than_counted_is_a_failure(connected: Connect) -> None:
    tenant = Tenant(users=4000)
    done = await export_with(connected, tenant, {"kind": "count_lag", "rate": 1.0, "share": 0.9})
    if done.results["status"] == "Failed":
        assert done.results["errors"][-1]["code"] == "TooFewUsers"
        assert done.csv is None
    else:
        check_complete(done.csv, tenant)


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.long)])
async def test_users_created_deleted_and_renamed_meanwhile_cost_nobody_else(connected: Connect, seed: int) -> None:
    tenant = Tenant(users=1500, shape="null90", seed=seed)
    users = tenant.all_users(("id", "userPrincipalName"))
    chance = random.Random(seed)
    changes = iter(chance.sample(users, 25))
    gone = set[str]()

    def change() -> None:
        user = next(changes, None)
        if user is None:
            return
        if chance.random() < 0.2:
            delete_user(tenant, user["id"])
            gone.add(user["id"])
            name = f"new{len(gone)}@example.com"
            create_user(tenant, {"id": str(UUID(int=len(gone))), "userPrincipalName": name})
        else:
            # To the other end of the alphabet: out of a range that is still to be read, or into one that was.
            beginning = chance.choice(["aaa", "zzz", "mmm"])
            update_user(tenant, user["id"], {"userPrincipalName": f"{beginning}.{user['userPrincipalName']}"})

    watch(tenant, before_pages(change))
    async with connected(tenant, EXPORT_RANGE_USERS="75", EXPORT_PARALLEL="3") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    assert done.results["counts"]["restarts"] > 0
    created = ids_of(tenant) - {user["id"] for user in users}
    check_complete(done.csv, tenant, optional=frozenset(created | gone))


async def test_a_tenant_without_delta_says_that_renames_are_not_checked(connected: Connect) -> None:
    tenant = Tenant(users=4000, shape="null90")
    tenant.faults.add("status", status=400, match="/users/delta", rate=1.0)
    async with connected(tenant, EXPORT_RANGE_USERS="500") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)
    assert [warning["code"] for warning in done.results["warnings"]] == ["RangesByName", "RenamesUnchecked"]


async def test_an_empty_answer_where_users_were_counted_is_a_failure(connected: Connect) -> None:
    tenant = Tenant(users=90)
    empty = Tenant(users=0)

    def lose_everyone() -> None:
        tenant.directory = empty.directory

    async with connected(tenant) as edges:
        watch(tenant, before_pages(lose_everyone))
        done = await run_export(edges)
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "TooFewUsers"
    assert done.csv is None


async def test_a_callers_filter_that_graph_ignores_is_a_failure(connected: Connect) -> None:
    tenant = Tenant(users=900)
    async with connected(tenant) as edges:
        tenant.faults.add("ignore_filter", match=PAGES_OF_RANGES, rate=1.0)
        done = await run_export(edges, filter="userType eq 'Guest'")
    check_results(done.results, "Failed")
    assert done.results["errors"][-1]["code"] == "FilterIgnored"
    assert done.csv is None


async def test_a_second_plan_does_not_replace_the_one_that_is_being_read(connected: Connect) -> None:
    tenant = Tenant(users=1500)
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:

        def replan() -> None:
            if late:
                return
            users = tenant.all_users(("id",))
            gone.update(user["id"] for user in users[:450])
            for user in users[:450]:
                delete_user(tenant, user["id"])
            late.append(asyncio.create_task(activities.run(edges, "plan", {"id": context.input["id"]})))

        gone = set[str]()
        late = list[asyncio.Task[Json]]()
        context = Context(edges, {})
        watch(tenant, before_pages(replan))
        done = await run_export(edges, context=context)
        assert "failed" in (await late[0]) or (await late[0])["ranges"] == done.results["counts"]["ranges"]
    assert done.results["status"] in {"Completed", "Failed"}
    if done.csv:
        check_complete(done.csv, tenant, optional=frozenset(gone))


async def test_letters_that_only_look_like_others_are_nobody_elses(connected: Connect) -> None:
    tenant = Tenant(users=1500, shape="null90")
    for at in range(60):
        name = f"{chr(0x130) if at % 2 else chr(0x212A)}stan{at}@example.com"
        create_user(tenant, {"id": str(UUID(int=at)), "userPrincipalName": name, "createdDateTime": None})
    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges)
    check_results(done.results, "Completed")
    check_complete(done.csv, tenant)


@pytest.mark.parametrize(("status", "times"), [(503, 8), (401, 4)])
async def test_a_request_is_sent_a_bounded_number_of_times(connected: Connect, status: int, times: int) -> None:
    tenant = Tenant(users=9)
    tenant.faults.add("status", status=status, rate=1.0)
    async with connected(tenant) as edges:
        with pytest.raises(Transient):
            await anext(pages.chain(edges.graph, pages.Query(("id",))))
    assert edges.graph.tally.requests == times


async def test_of_two_plans_made_at_once_one_counts_for_both(connected: Connect) -> None:
    tenant, smaller = Tenant(users=1500), Tenant(users=1000)
    counted: list[str] = []

    def count(target: str) -> None:
        if "$count" in target:
            counted.append(target)
            if len(counted) == 2:  # The other's first question: it sees another tenant.
                tenant.directory = smaller.directory

    async with connected(tenant, EXPORT_RANGE_USERS="100") as edges:
        done = await run_export(edges)
        await blobs.delete(edges.storage, results_name(done.id))  # As if it had not ended.
        counted.clear()
        watch(tenant, count)
        both = await asyncio.gather(*(activities.run(edges, "plan", {"id": done.id}) for _ in range(2)))
        stored = await read_plan(edges.storage, done.id)
    assert len(counted) > 2
    assert stored is not None
    assert both[0]["ranges"] == both[1]["ranges"] == len(stored.ranges)
    assert both[0]["expected"] == both[1]["expected"] == stored.expected
