"""`python -m benchmarks.peers.sdk TENANT OUT.csv`: msgraph-sdk's models and its PageIterator, as its documentation
shows them.
"""

import asyncio
import csv
import sys
from pathlib import Path
from typing import Any, TextIO

from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator
from kiota_abstractions.authentication import BaseBearerTokenAuthenticationProvider as Bearer
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.user import User
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator

from benchmarks.clock import timed
from benchmarks.peers.query import SELECT, TOP


class Token(AccessTokenProvider):
    """The simulated tenant takes any token."""

    async def get_authorization_token(self, uri: str, additional_authentication_context: Any = None) -> str:
        return "dummy"

    def get_allowed_hosts_validator(self) -> AllowedHostsValidator:
        return AllowedHostsValidator([])


def cell(user: User, name: str) -> Any:
    attribute = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    value = getattr(user, attribute)
    return "; ".join(value) if isinstance(value, list) else value


def _asking(top: int) -> Any:
    parameters = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(select=list(SELECT), top=top)
    return UsersRequestBuilder.UsersRequestBuilderGetRequestConfiguration(query_parameters=parameters)


def main(tenant: str, out: str) -> None:
    with Path(out).open("w", encoding="utf-8", newline="") as file:
        asyncio.run(_export(tenant, file))


async def _export(tenant: str, file: TextIO) -> None:
    adapter = GraphRequestAdapter(Bearer(Token()))
    adapter.base_url = f"{tenant}/v1.0"
    client = GraphServiceClient(request_adapter=adapter)
    # The first answer loads the modules of the models, which takes seconds: it must not be scaled to all pages.
    await client.users.get(request_configuration=_asking(top=1))
    found: dict[str, Any] = {"users": 0}
    with timed(found):
        writer = csv.writer(file)
        writer.writerow(SELECT)

        def write(user: User) -> bool:
            writer.writerow([cell(user, name) for name in SELECT])
            found["users"] += 1
            return True

        users = await client.users.get(request_configuration=_asking(TOP))
        await PageIterator(users, client.request_adapter).iterate(write)
        file.flush()
        found["pages"] = -(-found["users"] // TOP)


if __name__ == "__main__":
    main(*sys.argv[1:])
