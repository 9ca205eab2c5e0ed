"""Clients that others wrote read the simulated tenant: Microsoft's SDK, asked as cartography's Entra module does.

Source: https://github.com/cartography-cncf/cartography, cartography/intel/microsoft/entra/users.py
"""

from typing import Any

import httpx
from kiota_abstractions.authentication import AuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.request_information import RequestInformation
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.user import User
from msgraph.generated.users.users_request_builder import UsersRequestBuilder

from local.tenant import Tenant, serve


class _Token(AuthenticationProvider):
    async def authenticate_request(
        self, request: RequestInformation, additional_authentication_context: dict[str, Any] | None = None
    ) -> None:
        request.headers.add("Authorization", "Bearer cartography")


async def test_cartography_reads_everyone_with_managers_and_sign_ins() -> None:
    tenant = Tenant(users=60, seed=4)
    parameters = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
        top=50, select=["id", "displayName", "accountEnabled", "signInActivity"], expand=["manager($select=id)"]
    )
    async with serve(tenant) as url, httpx.AsyncClient(trust_env=False) as http:
        adapter = GraphRequestAdapter(_Token(), http)
        adapter.base_url = f"{url}/v1.0"
        client = GraphServiceClient(request_adapter=adapter)
        organization = await client.organization.get()
        page = await client.users.get(request_configuration=RequestConfiguration(query_parameters=parameters))
        people = list[User]()
        while page:
            people += page.value or []
            link = page.odata_next_link
            page = await client.users.with_url(link).get() if link else None
    assert organization
    assert organization.value
    assert organization.value[0].display_name == "Contoso"
    assert sorted(str(user.id) for user in people) == sorted(user["id"] for user in tenant.all_users())
    managers = {user.manager.odata_type for user in people if user.manager}
    assert managers == {"#microsoft.graph.user", "#microsoft.graph.orgContact"}
    assert any(user.sign_in_activity and user.sign_in_activity.last_sign_in_date_time for user in people)
