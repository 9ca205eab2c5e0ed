"""Two exports of two states of the tenant, what a comparison of them must say, and how one is asked for.

A comparison is asked for by the caller, or follows by itself from the second run of a saved export, which its schedule
has started.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from local.chaos import caller
from local.chaos.changes import Change, Changes
from local.chaos.judge import Json
from local.chaos.kinds import SAVED
from local.chaos.stage import Pair, Stage, StageError

COLUMNS = "profile"
NAME = "nightly"
KEYS = ("old", "new")
PAUSE_SECONDS = 1.0
BEFORE_SECONDS = 0.5


def prepare(stage: Stage, deadline: float) -> Pair:
    """The older export, another state of the tenant, and the newer export; of a saved one, its schedule starts that."""
    saved = stage.round.kind == SAVED
    planned = _save(stage, deadline) if saved else None
    old = _export(stage, deadline, KEYS[0], saved=saved)
    before = _state(stage, deadline)
    _change(stage, deadline, [*before])
    after = _state(stage, deadline)
    new = _export(stage, deadline, KEYS[1], saved=False) if not saved else ""
    if planned:
        _wait_until(planned)
    changed = _changed_between(before, after)
    return Pair(old, new, Changes(changed, len(after.keys() - changed.keys()), _reasons(stage)), [*after])


def _reasons(stage: Stage) -> frozenset[str]:
    """A new simulated tenant has forgotten what has changed."""
    forgets = any(blow.what in {"tenant", "serve", "everything"} for blow in stage.round.blows)
    return frozenset({"deleted", "notInExport", "unknown"} if forgets else {"deleted"})


def _export(stage: Stage, deadline: float, key: str, *, saved: bool) -> str:
    body: Json = {"saved": NAME} if saved else _request(stage) | ({"format": "csv"} if key == KEYS[1] else {})
    if body.get("format") == "csv":
        body.pop("compress", None)
    answer = caller.ask(stage, deadline, "POST", "/api/exports", json=body, headers={"Idempotency-Key": key})
    if answer.status_code != 202:
        raise StageError(f"POST answers {answer.status_code}: {answer.text[:500]}")
    export_id = str(answer.json()["id"])
    caller.wait_for_end(stage, deadline, export_id)
    return export_id


def _request(stage: Stage) -> Json:
    return {
        "fileName": "users",
        "columns": COLUMNS,
        "format": stage.round.format,
        "compress": stage.round.compress,
    }


def _state(stage: Stage, deadline: float) -> dict[str, Json]:
    """The tenant's users by id."""
    return {user["id"]: user for user in caller.tenant_users(stage, deadline)}


def _change(stage: Stage, deadline: float, ids: list[str]) -> None:
    orders: list[Json] = [{"action": "delete", "user": user} for user in ids[:40:2]]
    orders += [{"action": "update", "user": user, "properties": {"city": f"Moved {user}"}} for user in ids[40:100]]
    for number in range(20):
        name = f"new{number}@example.com"
        orders.append({"action": "create", "userPrincipalName": name, "properties": {"displayName": f"New {number}"}})
    for order in orders:
        caller.change_tenant(stage, deadline, order)


def _changed_between(before: dict[str, Json], after: dict[str, Json]) -> dict[str, Change]:
    """What must be said of whom, by object id."""
    changed = {user: Change("removed", _city(before[user]), "") for user in before.keys() - after.keys()}
    changed |= {user: Change("added", "", _city(after[user])) for user in after.keys() - before.keys()}
    return changed | {
        user: Change("changed", _city(before[user]), _city(after[user]))
        for user in before.keys() & after.keys()
        if before[user] != after[user]
    }


def _city(user: Json) -> str:
    return user.get("city") or ""


def post(stage: Stage, deadline: float, key: str, pair: Pair) -> str:
    """Asks for the comparison and returns its id; the same key again gives the same."""
    file = {name: getattr(stage.round, name) for name in ("format", "compress")}
    body: Json = {"old": pair.old, "new": pair.new, "fileName": "changes", **file}
    answer = caller.ask(stage, deadline, "POST", "/api/comparisons", json=body, headers={"Idempotency-Key": key})
    if answer.status_code != 202:
        raise StageError(f"POST answers {answer.status_code}: {answer.text[:500]}")
    return str(answer.json()["id"])


def _save(stage: Stage, deadline: float) -> datetime:
    """With a schedule that comes once an hour. Returns when it comes next."""
    planned = (datetime.now(UTC) + timedelta(minutes=2)).replace(second=0, microsecond=0)
    body = {**_request(stage), "schedule": f"{planned.minute} * * * *", "compare": True}
    answer = caller.ask(stage, deadline, "PUT", f"/api/saved-exports/{NAME}", json=body)
    if answer.status_code not in {200, 201}:
        raise StageError(f"PUT answers {answer.status_code}: {answer.text[:500]}")
    return planned


def _wait_until(planned: datetime) -> None:
    left = (planned - datetime.now(UTC)).total_seconds() - BEFORE_SECONDS
    if left < 0:
        raise StageError(f"the older export took longer than until its schedule's time, {planned}")
    time.sleep(left)


def followed(stage: Stage, deadline: float, pair: Pair) -> str:
    """Waits for the run that the schedule starts and for its comparison, both to the end; returns the latter's id."""
    pair.new = _only(stage, deadline, lambda each: each["type"] == "export" and each["id"] != pair.old, "a run")
    caller.wait_for_end(stage, deadline, pair.new)
    comparison = _only(stage, deadline, lambda each: each["type"] == "comparison", "a comparison")
    caller.wait_for_end(stage, deadline, comparison)
    while caller.has_marks(stage):
        if time.monotonic() > deadline:
            raise StageError("runs have ended and the timer has not followed up in time")
        time.sleep(PAUSE_SECONDS)
    return comparison


def _only(stage: Stage, deadline: float, wanted: Any, what: str) -> str:
    while time.monotonic() < deadline:
        listed = caller.ask(stage, deadline, "GET", "/api/exports").json()["value"]
        if ids := [each["id"] for each in listed if wanted(each)]:
            return str(ids[0])
        time.sleep(PAUSE_SECONDS)
    raise StageError(f"the timer has not started {what} in time")
