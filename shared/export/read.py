"""The activity `export`: reads a lane's ranges, one after the other, and stages their rows and errors in blocks.

An activity runs at least once, and an earlier execution may still be running (a zombie). So each execution stages
blocks under an id of its own, and only blocks that the orchestrator's history names are committed.

A permanent failure is returned as `{"failed": {code, reason}}`, because an orchestrator sees only the text of an
exception. A failure that may pass (Graph or the storage still fails after all retries) is raised. Then the orchestrator
asks for the same ranges again later.
"""

import functools
import itertools
from collections.abc import AsyncIterator

import msgspec

from shared.errors import ChainBroken, ExportError, Transient
from shared.export import clean, selection
from shared.export.context import Edges, Record
from shared.export.counts import DEPARTED, ODD, PURGED
from shared.export.execution import MAX_RESTARTS, SEGMENT_SECONDS, Execution, check_wanted, has_time, is_wanted, load
from shared.export.messages import (
    Exported,
    ExportTask,
    Failure,
    Json,
    Remaining,
    Staged,
)
from shared.export.reading import Reading, begin, end, note
from shared.export.selection import Step
from shared.files import deflate
from shared.files.columns import Column
from shared.graph import pages
from shared.graph.users import User, is_purged
from shared.ranges import keys, ranges
from shared.ranges.keys import key_of
from shared.storage import blobs
from shared.storage.names import (
    members_name,
    users_name,
)


async def export(edges: Edges, task: ExportTask) -> Exported:
    """Reads the ranges of a lane, for about two minutes."""
    record, plan = await load(edges, task.id)
    if plan is None:
        # An execution of this activity that was killed may have staged something.
        return await _leave(edges, record, [])
    now = edges.clock()
    run = Execution(edges, record, plan, task.segment, started=now, looked=now)
    try:
        done = await _lane(run, Remaining(task.ranges, task.restarts, task.state))
        await check_wanted(run)
    except Exception:
        # Also when Graph or the storage failed: for an export that has ended, nothing runs this again.
        if await is_wanted(run):
            raise
        return await _leave(edges, record, run.written)
    return done


async def _leave(edges: Edges, record: Record, written: list[str]) -> Exported:
    end = await clean.leave(edges, record, written)
    return Exported(failed=end.failed, cancelled=end.cancelled)


async def _lane(run: Execution, remaining: Remaining) -> Exported:
    """Range by range, until none remains or the time is over."""
    done = Exported()
    while remaining.ranges:
        number = remaining.ranges[0]
        try:
            staged, remaining.state = await _range(run, number, remaining.state)
        except Transient:
            raise
        except ChainBroken as problem:
            if remaining.restarts >= MAX_RESTARTS:
                reason = f"{problem.reason} The range was started again {MAX_RESTARTS} times."
                done.failed = Failure(problem.code, reason, problem.request_id, number)
                return done
            if remaining.state:
                done.void = number
            remaining.state, remaining.restarts = "", remaining.restarts + 1
            run.edges.graph.tally.restarts += 1
        except ExportError as problem:
            done.failed = Failure(problem.code, problem.reason, problem.request_id, number)
            return done
        else:
            done.staged.append(staged)
            if not remaining.state:
                remaining = Remaining(remaining.ranges[1:])
        if remaining.state or run.edges.clock() - run.started > SEGMENT_SECONDS:
            break
    done.remaining = remaining if remaining.ranges else None
    return done


async def _range(run: Execution, number: int, saved: str) -> tuple[Staged, str]:
    """Reads a range. Returns what it has staged, and the state from which to go on ("": the range is complete)."""
    reading = await begin(run, number, saved)
    link: str | None = None
    async for step in _steps(run, reading):
        link = await _add(run, reading, step)
        await reading.rows.stage_full()
        await reading.errors.stage_full()
        looked = run.looked
        if link and not await has_time(run):
            break
        if run.looked > looked:
            await note(run, reading, done=False)
    return await end(run, reading, link)


async def _add(run: Execution, reading: Reading, step: Step) -> str | None:
    """Adds the users of a step that belong to the range; returns the link to the next step (None: there is none)."""
    # The step gives its users away, or they would stay in memory while all ranges of the process stage a block.
    users, step.users = step.users, []
    users, purged = _without_purged(users, reading.seen) if reading.sign_ins else (users, 0)
    kept, failed, link = ranges.kept(reading.range, users), step.errors, step.next
    others = len(users) - len(kept)
    kept, passed = _members_of(reading, kept)
    if reading.enrichers:
        kept, errors, cut_short = await _enrich(run, reading, kept)
        failed, link = [*failed, *errors], step.here if cut_short else step.next
    are_fresh = keys.all_fresh(reading.seen, [key_of(user.id) for user in kept])
    fresh = [*itertools.compress(kept, are_fresh)]
    if reading.listed is not None:
        reading.listed += b"".join(key_of(user.id) for user in fresh)
    _add_rows(reading, fresh)
    reading.errors.add(*map(msgspec.json.encode, failed))
    reading.users += len(fresh)
    reading.counted.update(_odd(fresh, reading.columns))
    for name, holds in reading.counters.items():
        reading.counted[name] += sum(map(holds, fresh))
    reading.counted[PURGED] += purged
    reading.counted[DEPARTED] += step.departed
    reading.passed += passed
    if link and link == step.next:
        reading.advance.page(len(fresh) + passed, others, purged)
    return link


def _members_of(reading: Reading, users: list[User]) -> tuple[list[User], int]:
    """The members among the range's users, and how many of the others were not seen before."""
    if reading.members is None:
        return users, 0
    place = reading.members.place
    kept = [user for user in users if place(key_of(user.id)) is not None]
    member_ids = {user.id for user in kept}
    passed = sum(keys.fresh(reading.seen, key_of(user.id)) for user in users if user.id not in member_ids)
    return kept, passed


def _add_rows(reading: Reading, users: list[User]) -> None:
    if not users:
        return
    data, counted = reading.format.rows(users, reading.columns)
    reading.counted.update(counted)
    if reading.format.deflated:
        reading.rows.add_segment(*deflate.segment(data, len(users)))
    else:
        reading.rows.add(data)


async def _steps(run: Execution, reading: Reading) -> AsyncIterator[Step]:
    """The users of a range, step by step."""
    edges, record, start, query = run.edges, run.record, reading.state.link, reading.query
    if reading.range.kind == "users":
        chosen, plan = not run.plan.members, run.plan
        name = users_name(record.id, record.attempt) if chosen else members_name(record.id, plan.members)
        listed = await blobs.read(edges.storage, name)
        if listed is None and not chosen:
            raise ExportError("StateLost", "The list of the members can't be found.")
        async for step in selection.read(edges.graph, listed or b"[]", reading.range, query, start, chosen=chosen):
            yield step
        return
    async for page in pages.chain(edges.graph, query, start):
        yield Step(_take_users(page), [], page.link, page.next_link)


def _without_purged(page: list[User], seen: set[bytes]) -> tuple[list[User], int]:
    """The page without objects of purged users, and how many of these were not seen before."""
    purged = sum(keys.fresh(seen, key_of(user.id)) for user in page if is_purged(user))
    return [user for user in page if not is_purged(user)], purged


def _odd(users: list[User], columns: list[Column]) -> list[str]:
    """For each user the names under which odd properties of the columns are counted."""
    sources = {column.source for column in columns}
    return [ODD + name for user in users for name in user.odd if name in sources]


def _take_users(page: pages.Page) -> list[User]:
    """Takes the users out of the page, which would keep them in memory while a block is staged."""
    users, page.value = page.value, []
    return users


async def _enrich(run: Execution, reading: Reading, users: list[User]) -> tuple[list[User], list[Json], bool]:
    """The users that were enriched before the time was over, the errors, and whether some were not.

    When Graph throttles, a whole page would take too long for one activity. The next one then reads the page again, and
    leaves out the users that were seen. Steps of selected users are small, and are always enriched to their end.
    """
    new = list({user.id: user for user in users if key_of(user.id) not in reading.seen}.values())
    go_on = None if reading.range.kind == "users" else functools.partial(has_time, run)
    enriched, errors = new, list[Json]()
    for enrich in reading.enrichers:
        done, failed = await enrich(enriched, go_on)
        enriched, errors = enriched[:done], [*errors, *failed]
    return enriched, errors, len(enriched) < len(new)
