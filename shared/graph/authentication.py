"""The authentication columns: read user by user, 20 to a `$batch`.

`GET /users/{id}/authentication/methods` gives all methods of a user in one answer. Needs the application permission
UserAuthenticationMethod.Read.All: UserAuthMethod-Phone.Read.All and -Email.Read.All open other paths only.
"""

from typing import Any

import msgspec

from shared.errors import GraphError
from shared.graph import batches, odd
from shared.graph.batches import Answer, GoOn
from shared.graph.client import Graph, for_methods
from shared.graph.user_parts import AuthenticationMethods
from shared.graph.users import User

METHODS = "authentication/methods"
# The ids of the methods are the same for every user (learn.microsoft.com: phoneAuthenticationMethod, emailAuth...).
MOBILE = "3179e48a-750b-4051-897c-87b9720928f7"
ALTERNATE_MOBILE = "b6332ec1-7057-4abe-9331-3d72feddfe41"
EMAIL = "3ddfcfc8-9383-446f-83cc-3ab9be4be18f"


class _Method(msgspec.Struct, rename="camel"):
    id: str = ""
    phone_number: str | None = None
    email_address: str | None = None


class _Methods(msgspec.Struct):
    value: list[_Method]


async def add_methods(
    graph: Graph, users: list[User], go_on: GoOn | None = None
) -> tuple[int, list[tuple[User, GraphError]]]:
    """Fills in the users' `authentication_methods`, from the first to that before which `go_on` says no.

    Returns how many these are, and those of them whose methods can't be read, and why.
    """
    urls = [f"/users/{user.id}/{METHODS}" for user in users]
    answers = await batches.batch(for_methods(graph), urls, go_on=go_on)
    failed: list[tuple[User, GraphError]] = []
    for user, answer in zip(users, answers, strict=False):
        try:
            user.authentication_methods, names = _methods_of(answer)
            user.odd += (METHODS,) if names else ()
        except GraphError as problem:
            failed.append((user, problem))
    return len(answers), failed


def error_entry(user: User, problem: GraphError, headers: list[str]) -> dict[str, Any]:
    """The entry in the results file for a user whose methods can't be read."""
    entry = {**problem.as_dict(), "user": user.id, "column": ", ".join(headers)}
    return {**entry, "userPrincipalName": user.user_principal_name} if user.user_principal_name else entry


def _methods_of(answer: Answer) -> tuple[AuthenticationMethods, tuple[str, ...]]:
    """The methods, and what of them was odd."""
    batches.raise_for(answer)
    names: tuple[str, ...] = ()
    try:
        answered = msgspec.json.decode(answer.body, type=_Methods)
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            answered, names = odd.decode(bytes(answer.body), _Methods)
        except msgspec.DecodeError as problem:
            reason = f"Graph's answer has an unknown form: {problem}"
            raise GraphError(answer.status, "UnreadableAnswer", reason) from problem
    by_id, none = {method.id.lower(): method for method in answered.value}, _Method()
    methods = AuthenticationMethods(
        phone=by_id.get(MOBILE, none).phone_number,
        alternative_phone=by_id.get(ALTERNATE_MOBILE, none).phone_number,
        email=by_id.get(EMAIL, none).email_address,
    )
    return methods, names
