"""The runs of saved exports, and which of them must stay. (`keep` removes the others.)"""

from collections import defaultdict

from shared.api import saved
from shared.api.listing import exports
from shared.api.operations import Operations
from shared.files.results import COMPLETED, COMPLETED_WITH_ERRORS
from shared.storage.names import RUN

Name = tuple[str, str]
"""The owner's id and the name of a saved export."""


async def needed(on: Operations) -> frozenset[str]:
    """The exports that `keep` needs, however old they are."""
    wanted = {(each.owner_id, each.saved.name): each.saved for each in await saved.stored(on.storage)}
    places = {name: each.keep for name, each in wanted.items()}
    if not any(places.values()):
        return frozenset()
    return frozenset(
        export_id
        for name, runs in (await by_saved(on)).items()
        for export_id in [export_id for export_id, is_whole in runs if is_whole][: places.get(name, 0)]
    )


async def by_saved(on: Operations) -> dict[Name, list[tuple[str, bool]]]:
    """The runs of each saved export, newest first: the id, and whether the run has completed."""
    found: dict[Name, list[tuple[str, bool]]] = defaultdict(list)
    async for export_id, names in exports(on.storage, RUN):
        if asked := names.get("request.json"):
            status = (names.get("results.json") or {}).get("status")
            is_whole = status in {COMPLETED, COMPLETED_WITH_ERRORS}
            found[asked["requestedBy"]["id"], asked["saved"]].append((export_id, is_whole))
    return found
