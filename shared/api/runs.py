"""The runs of saved exports, and which of them must stay. (`keep` removes the others.)"""

from collections import defaultdict
from dataclasses import dataclass

from shared.api import saved
from shared.api.listing import exports
from shared.api.operations import Operations
from shared.api.progress import is_running
from shared.api.saved import Saved
from shared.files.results import COMPLETED, COMPLETED_WITH_ERRORS
from shared.storage import blobs
from shared.storage.names import ENDED, RUN

Name = tuple[str, str]
"""The owner's id and the name of a saved export."""


@dataclass(frozen=True, slots=True)
class Run:
    """`is_whole`: it has completed, so it has a file."""

    id: str
    is_whole: bool


async def needed(on: Operations) -> frozenset[str]:
    """The exports that `keep` or `compare` need, however old they are."""
    saved_exports = {(each.owner_id, each.saved.name): each.saved for each in await saved.stored(on.storage)}
    if not any(each.keep or each.compare for each in saved_exports.values()):
        return frozenset()
    # Runs that have just ended: their comparison with the run before has yet to come.
    ended = {name.removeprefix(ENDED) async for name in blobs.names(on.storage, ENDED)}
    runs = await by_saved(on)
    for name, each in saved_exports.items():
        newest = next((run.id for run in runs.get(name, []) if run.is_whole), "")
        if each.compare and newest and is_running(await on.durable.get_status(newest)):
            ended.add(newest)  # It has results, and will soon have a mark.
    return frozenset(
        run.id for name in saved_exports for run in needed_of(saved_exports[name], runs.get(name, []), ended)
    )


def needed_of(saved_export: Saved, runs: list[Run], ended: set[str]) -> list[Run]:
    """The runs of a saved export, newest first, that must stay. `ended`: runs that have yet to be compared."""
    whole = [run for run in runs if run.is_whole]
    compared = 0
    if saved_export.compare:
        compared = 1 + max((at + 1 for at, run in enumerate(whole) if run.id in ended), default=0)
    return whole[: max(saved_export.keep, compared)]


async def by_saved(on: Operations) -> dict[Name, list[Run]]:
    """The runs of each saved export, newest first."""
    runs: dict[Name, list[Run]] = defaultdict(list)
    async for export_id, names in exports(on.storage, RUN):
        if request := names.get("request.json"):
            status = (names.get("results.json") or {}).get("status")
            is_whole = status in {COMPLETED, COMPLETED_WITH_ERRORS}
            runs[request["requestedBy"]["id"], request["saved"]].append(Run(export_id, is_whole))
    return runs
