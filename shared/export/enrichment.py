"""What is added to the users of a page before rows are made of them: that which does not come with the list itself.

Each enricher takes the users, fills in a field of them, and says for how many it came (the first so many), and with
which errors. None loses a user: what can't be read is an empty cell and an error. They are chosen by the sources of
the columns; a column that nobody asks for costs nothing.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from shared.errors import GraphError
from shared.export.context import Plan, Record
from shared.export.messages import Json
from shared.export.registration import Report
from shared.files.columns import AUTHENTICATION, LICENSES, REGISTRATION, ROLES, SIGN_IN, Column, relations_of
from shared.graph import authentication, relations
from shared.graph.batches import GoOn
from shared.graph.client import Graph
from shared.graph.users import User

Enricher = Callable[[list[User], GoOn | None], Awaitable[tuple[int, list[Json]]]]

_PROVABLE = frozenset({"mobilePhone", "alternateMobilePhone", "officePhone", "email"})
"""Registered methods of which a column tells."""


def enrichers(
    graph: Graph,
    record: Record,
    plan: Plan,
    columns: list[Column],
    report: Report | None,
    *,
    expanded: str = "",
    doubtful: bool = False,
) -> list[Enricher]:
    """Those that the columns need, in the order in which they work: what is asked user by user comes last.

    `expanded`: the relation that comes with the list; `doubtful`: it may be left out there without a word.
    """
    sources = {column.source for column in columns} - {*plan.unreadable}
    chosen: list[Enricher] = []
    if sources & LICENSES:
        chosen.append(_plainly(lambda user: setattr(user, "products", plan.products)))
    if ROLES in sources:
        chosen.append(_plainly(lambda user: setattr(user, "roles", tuple(plan.roles.get(user.id.lower(), ())))))
    if SIGN_IN in sources and any(column.header == "daysSinceLastSignIn" for column in columns):
        now = _time(record.created_date_time) or datetime.now(UTC)
        chosen.append(_plainly(lambda user: setattr(user, "days_since_sign_in", _days(user, now))))
    if report is not None and (REGISTRATION in sources or AUTHENTICATION in sources):
        chosen.append(_plainly(lambda user: setattr(user, "registration", report.of(user.id))))
    chosen += [
        _related(graph, name, columns, doubtful=name == expanded)
        for name in relations_of(columns, plan.unreadable)
        if name != expanded or doubtful
    ]
    if AUTHENTICATION in sources:
        chosen.append(_methods(graph, columns, report))
    return chosen


def _plainly(fill: Callable[[User], None]) -> Enricher:
    """For what is known already."""

    async def enrich(users: list[User], _: GoOn | None) -> tuple[int, list[Json]]:
        for user in users:
            fill(user)
        return len(users), []

    return enrich


def _related(graph: Graph, relation: str, columns: list[Column], *, doubtful: bool) -> Enricher:
    """For a relation that does not come with the list: Graph expands one for each request.

    `doubtful`: it should have come, and is asked for again when nobody on the page has it.
    """

    async def enrich(users: list[User], _: GoOn | None) -> tuple[int, list[Json]]:
        if doubtful and any(getattr(user, relation) for user in users):
            return len(users), []
        failed = await relations.add(graph, relation, users)
        return len(users), _entries(failed, columns, relation)

    return enrich


def _methods(graph: Graph, columns: list[Column], report: Report | None) -> Enricher:
    """For the authentication columns: a call for each user who, by the report, has something that they show, and for
    each whom it does not know."""

    async def enrich(users: list[User], go_on: GoOn | None) -> tuple[int, list[Json]]:
        asked = users if report is None else [user for user in users if _may_have_methods(user)]
        done, failed = await authentication.add_methods(graph, asked, go_on)
        # Up to the first who was not asked any more.
        reached = len(users) if done == len(asked) else _place(users, asked[done])
        return reached, _entries(failed, columns, AUTHENTICATION)

    return enrich


def _place(users: list[User], wanted: User) -> int:
    return next(at for at, user in enumerate(users) if user is wanted)


def _may_have_methods(user: User) -> bool:
    return user.registration is None or not _PROVABLE.isdisjoint(user.registration.methods_registered)


def _entries(failed: list[tuple[User, GraphError]], columns: list[Column], source: str) -> list[Json]:
    headers = [column.header for column in columns if column.source == source]
    return [authentication.error_entry(user, problem, headers) for user, problem in failed]


def _days(user: User, now: datetime) -> int | None:
    """Whole days since the last sign-in that succeeded; Graph knows these since December 2023 only."""
    seen = user.sign_in_activity
    then = _time((seen.last_successful_sign_in_date_time or seen.last_sign_in_date_time) if seen else None)
    return None if then is None else max((now - then).days, 0)


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)
