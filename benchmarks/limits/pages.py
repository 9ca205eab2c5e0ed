"""The export's own ranges and the URLs of their first pages, found before any clock starts."""

import time
from typing import Any

from azure.core.credentials import AccessToken

from shared.export.context import Record
from shared.export.queries import range_query
from shared.export.questions import answers
from shared.export.sizes import lanes_of, range_size
from shared.files.columns import COLUMN_SETS
from shared.graph import client, pages
from shared.ranges import splitting
from shared.ranges.ranges import Range
from shared.settings import Settings

RECORD = Record(
    id="benchmark", created_date_time="", requested_by={}, file_name="users", columns=list(COLUMN_SETS["profile"])
)


class Credential:
    """The simulated tenant takes any token."""

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken("dummy", int(time.time()) + 3600)

    async def close(self) -> None:
        return


def connection(tenant: str) -> client.Graph:
    return client.connect(tenant, Credential, client.Retries())  # type: ignore[arg-type]  # has what is called


async def lanes(on: client.Graph, settings: Settings) -> list[list[pages.Query]]:
    """What each lane asks, one query for each of its ranges: split by the project's own planner."""
    ranges = await _ranges(on, settings)
    queries = [range_query(on, RECORD, part, advanced=False) for part in ranges]
    shared = splitting.share(ranges, lanes_of(RECORD, settings))
    return [[queries[number] for number in numbers] for numbers in shared]


async def _ranges(on: client.Graph, settings: Settings) -> list[Range]:
    planner = splitting.split(
        lambda total: range_size(total, settings.range_users, settings.parallel), int(time.time())
    )
    try:
        questions = next(planner)
        while True:
            questions = planner.send(await answers(on, RECORD, questions, advanced=False))
    except StopIteration as end:
        total, ranges = end.value
        return ranges or [Range(kind="all", expected=total)]
