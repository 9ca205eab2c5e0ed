"""Columns that need more than a property: managers, licences, registration, and authentication of those who have it."""

from typing import Any

from benchmarks import export, tenant, truth
from benchmarks.effort import Effort
from benchmarks.export import Exported
from benchmarks.figures import mebibytes, number, times
from benchmarks.section import Section, Step, Target

REGISTERED = 0.38
"""Of the simulated tenant's users: with it, 30 % of them have a phone number or an e-mail address to sign in with."""
ENABLED = 0.88
"""Of the users: the others are disabled, and not in the report."""
METHOD_LIMIT = 2_000
"""Requests for authentication methods that the tenant answers in 10 s. Graph documents 5, with which it takes days."""
FEWER = 3.0
PAGE, RELATED_PAGE = 999, 100
"""Users of a page, and of one with $expand."""
REPORT_PAGE = 999
AUTHENTICATION = ("objectId", "userPrincipalName", "authenticationPhoneNumber", "authenticationEmail")


def steps(effort: Effort) -> int:
    return 5


def run(effort: Effort, step: Step) -> Section:
    latency = effort.column_latency_ms

    def one(what: str, users: int, columns: tuple[str, ...], *options: str) -> Exported:
        step(f"{what}: {users:,} users")
        with tenant.running(users, latency, "normal", *options) as asked, export.serving("--graph", asked.url) as on:
            body: dict[str, Any] = {"columns": ["objectId", *columns]}
            return export.export(on, truth.ids(asked.url), request=body)

    def authentication(ask: str) -> tuple[Exported, int]:
        """With the number of calls."""
        step(f"authentication, EXPORT_AUTHENTICATION_ASK={ask}: {asked_for:,} enabled users")
        users = round(asked_for / ENABLED)
        options = ("--registered", str(REGISTERED), "--method-limit", str(METHOD_LIMIT))
        with (
            tenant.running(users, latency, "normal", *options) as asked,
            export.serving("--graph", asked.url, environment={"EXPORT_AUTHENTICATION_ASK": ask}) as on,
        ):
            body = {"columns": AUTHENTICATION, "filter": "accountEnabled eq true"}
            done = export.export(on, truth.ids(asked.url, enabled="true"), request=body)
            return done, truth.calls(asked.url)

    paged = ("--expand-page", str(RELATED_PAGE))
    managers, licenses, reported, asked_for = effort.column_users
    found = {
        "manager": one("manager", managers, ("userPrincipalName", "managerId", "managerDisplayName"), *paged),
        "licenses": one("licenses", licenses, ("userPrincipalName", "licenses", "licensesFromGroups")),
        "registration report": one("report", reported, ("userPrincipalName", "isMfaRegistered", "methodsRegistered")),
    }
    proofs = {
        "authentication, who has it": authentication("registered"),
        "authentication, everyone": authentication("all"),
    }
    found |= {what: done for what, (done, _) in proofs.items()}
    calls = {what: count for what, (_, count) in proofs.items()}
    (some, few), (everyone, many) = proofs.values()
    limits = {
        "manager": _pages(managers, RELATED_PAGE, latency),
        "licenses": _pages(licenses, PAGE, latency),
        # A page of the report names the next one, so they come one after the other.
        "registration report": _pages(reported, PAGE, latency) + reported / REPORT_PAGE * latency / 1000,
    }
    fewer = many / few
    quicker = everyone.seconds / some.seconds
    return Section(
        name="columns",
        title=f"Columns that need more than a property: {latency} ms a request",
        columns=["", "users", "requests", "calls", "time", "latency alone", "CPU for a user", "peak memory"],
        rows=[
            [
                what,
                f"{each.users:,}",
                f"{each.counts['requests']:,}",
                f"{calls[what]:,}" if what in calls else "",
                f"{number(each.seconds)} s",
                f"{number(limits[what])} s" if what in limits else "",
                f"{number(1e6 * each.own_cpu / each.users)} µs",
                mebibytes(each.own_rss),
            ]
            for what, each in found.items()
        ],
        notes=[
            f"One export each. Latency alone: pages of {PAGE} users ({RELATED_PAGE} with a manager),"
            f" {export.PARALLEL} at once; those of the report one after the other.",
            "Authentication: enabled users, of whom 30 % have a phone number or an e-mail address to sign in with."
            " A disabled user is not in the report, and costs a call in both ways. Calls are requests; a batch counts"
            f" as many as it holds. Refused calls count too: the tenant answers {METHOD_LIMIT:,} for methods in 10 s.",
        ],
        targets=[
            Target("calls, everyone against who has it", f"at least {FEWER:g}x", times(fewer), fewer >= FEWER),
            Target("time, everyone against who has it", f"at least {FEWER:g}x", times(quicker), quicker >= FEWER),
        ],
        data={what: {"users": each.users, "seconds": each.seconds} for what, each in found.items()},
    )


def _pages(users: int, page: int, latency_ms: float) -> float:
    return users / page * latency_ms / 1000 / export.PARALLEL
