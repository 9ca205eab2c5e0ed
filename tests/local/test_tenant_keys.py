"""How the simulated tenant takes the key of a user, as Graph does (learn.microsoft.com/graph/api/user-get)."""

import json
from typing import Any

import pytest

from local.tenant import Call, Tenant, answer, create_user


def ask(tenant: Tenant, target: str) -> tuple[int, Any]:
    found = answer(tenant, Call("GET", target, {"authorization": "Bearer t"}, b"", "https://graph.test"))
    return found.status, json.loads(found.body)


def test_a_user_principal_name_that_begins_with_a_dollar_is_a_key_in_parentheses_only() -> None:
    tenant = Tenant(users=5)
    user = create_user(tenant, {"userPrincipalName": "$abc@contoso.example"})
    assert ask(tenant, "/v1.0/users/$abc@contoso.example")[0] == 400
    assert ask(tenant, "/v1.0/users/%24abc@contoso.example")[0] == 400
    assert ask(tenant, "/v1.0/users('$abc@contoso.example')?$select=id")[1]["id"] == user["id"]


def test_a_key_in_parentheses_is_not_a_function_and_doubles_its_apostrophes() -> None:
    tenant = Tenant(users=5)
    user = create_user(tenant, {"userPrincipalName": "o'hara@contoso.example"})
    assert ask(tenant, "/v1.0/users('o''hara@contoso.example')?$select=id")[1]["id"] == user["id"]
    for name in ("delta", "$count", "me"):
        assert ask(tenant, f"/v1.0/users('{name}')")[1]["error"]["code"] == "Request_ResourceNotFound"


@pytest.mark.parametrize("select", ["signInActivity", "id,signInActivity", "SIGNINACTIVITY"])
def test_sign_in_activity_by_key_wants_the_object_id(select: str) -> None:
    tenant = Tenant(users=5)
    user = tenant.all_users()[2]
    status, body = ask(tenant, f"/v1.0/users/{user['userPrincipalName'].replace('#', '%23')}?$select={select}")
    assert (status, body["error"]["code"]) == (400, "BadRequest")
    assert "Get By Key only supports UserId" in body["error"]["message"]
    assert ask(tenant, f"/v1.0/users/{user['id']}?$select={select}")[0] == 200
