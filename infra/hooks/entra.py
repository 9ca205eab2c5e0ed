"""Sets up in Microsoft Entra what Bicep can't: the app registration, and what the app may read from Microsoft Graph.

    azd hooks run postprovision        runs it; `azd up` and `azd provision` do so before and after the resources
    python infra/hooks/entra.py logic-app PRINCIPAL_ID CLIENT_ID [APP_ROLE ...]
                                       lets a Logic App's identity call the API of this app registration (Exports.Run)

It compares what is there with what is wanted and makes only the difference: running it again changes nothing. What is
not known yet (before the first provisioning: the app's address and identity) is left for the next run. What you may
not do is printed as commands for an administrator, and the exit code is 3. What others put on the registration
(secrets, redirect URIs, owners) is named and stays.

Only the standard library, and the Azure CLI for the sign-in: nothing to install, everything to read. Environment, by
azd: AZURE_ENV_NAME, AUTH_CLIENT_ID, FUNCTION_APP_URL, IDENTITY_PRINCIPAL_ID, GRAPH_PERMISSIONS, GRAPH_ENDPOINT,
AZURE_TENANT_ID.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

GRAPH_APP = "00000003-0000-0000-c000-000000000000"  # Microsoft Graph, in every tenant
AZURE_CLI_APP = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"  # Azure CLI, in every tenant
RUN = "Exports.Run"
APP_ROLES = {
    RUN: ("Run exports", "Start exports of all users and download one's own."),
    "Exports.ReadAuthentication": ("Read authentication columns", "Export users' authentication phones and e-mails."),
}
SCOPE = "user_impersonation"
ORGANIZATION = "AzureADMyOrg"  # accounts of this tenant only
# Fixed, so that a second registration has the same ids, and one that is repaired keeps its assignments.
APP_ROLE_IDS = {role: str(uuid.uuid5(uuid.NAMESPACE_URL, f"entra-user-export/role/{role}")) for role in APP_ROLES}
SCOPE_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "entra-user-export/scope/user_impersonation"))
CREDENTIAL = "easy-auth"
CALLBACK = "/.auth/login/aad/callback"

GLOBAL = "https://graph.microsoft.com"
# By Graph's address: where tokens come from, and what a managed identity's token is exchanged as.
CLOUDS = {
    GLOBAL: ("https://login.microsoftonline.com", "api://AzureADTokenExchange"),
    "https://graph.microsoft.us": ("https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    "https://dod-graph.microsoft.us": ("https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    "https://microsoftgraph.chinacloudapi.cn": ("https://login.chinacloudapi.cn", "api://AzureADTokenExchangeChina"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be. Empty: not known yet."""

    name: str
    client_id: str = ""
    url: str = ""
    principal_id: str = ""
    tenant_id: str = ""
    permissions: tuple[str, ...] = ()
    graph: str = GLOBAL

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Wanted":
        return cls(
            name=f"Entra user export ({env.get('AZURE_ENV_NAME', '')})",
            client_id=env.get("AUTH_CLIENT_ID", ""),
            url=env.get("FUNCTION_APP_URL", "").rstrip("/"),
            principal_id=env.get("IDENTITY_PRINCIPAL_ID", ""),
            tenant_id=env.get("AZURE_TENANT_ID", ""),
            permissions=tuple(env.get("GRAPH_PERMISSIONS", "").split()),
            graph=(env.get("GRAPH_ENDPOINT") or GLOBAL).rstrip("/"),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One call to Graph that is needed, and what for."""

    what: str
    method: str
    path: str
    body: Json


# ---- What is missing: pure, from what Graph answered -----------------------------------------------------------------


def new_application(wanted: Wanted) -> Json:
    """The registration as it is made; what needs its own id (address, Azure CLI's consent) comes after."""
    return {
        "displayName": wanted.name,
        "signInAudience": ORGANIZATION,
        # Puts the directory roles (claim wids) into tokens: the app decides by them who may export.
        "groupMembershipClaims": "DirectoryRole",
        "web": {"redirectUris": [], "implicitGrantSettings": {"enableIdTokenIssuance": True}},
        "api": {"requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [_scope()]},
        "appRoles": [_app_role(role) for role in APP_ROLES],
    }


def _app_role(role: str) -> Json:
    name, description = APP_ROLES[role]
    return {
        "id": APP_ROLE_IDS[role],
        "value": role,
        "displayName": name,
        "description": description,
        "allowedMemberTypes": ["Application", "User"],
        "isEnabled": True,
    }


def _scope() -> Json:
    text = "Call the export API as the signed-in user; what that user may do is decided by directory roles."
    return {
        "id": SCOPE_ID,
        "value": SCOPE,
        # With "User", everyone could consent for any client that asks for it, and that client would call as them.
        "type": "Admin",
        "isEnabled": True,
        "adminConsentDisplayName": "Call the export API",
        "adminConsentDescription": text,
        "userConsentDisplayName": "Call the export API",
        "userConsentDescription": text,
    }


def application_changes(app: Json, wanted: Wanted) -> list[Change]:
    """What the registration lacks. Roles, scopes and addresses that others put there stay."""
    path = f"/applications/{app['id']}"
    body: Json = {}
    if app.get("signInAudience") != ORGANIZATION:
        body["signInAudience"] = ORGANIZATION
    if app.get("groupMembershipClaims") != "DirectoryRole":
        body["groupMembershipClaims"] = "DirectoryRole"
    address = f"api://{app['appId']}"
    if address not in app.get("identifierUris", []):
        body["identifierUris"] = [*app.get("identifierUris", []), address]
    roles = app.get("appRoles", [])
    if missing := [_app_role(role) for role in APP_ROLES if role not in {each["value"] for each in roles}]:
        body["appRoles"] = [*roles, *missing]
    if web := _web_changes(app.get("web") or {}, wanted):
        body["web"] = web
    found = [Change("complete the app registration", "PATCH", path, body)] if body else []
    # Two steps: Graph refuses a client's consent to a scope that the same call only makes.
    scopes, consent = _api_changes(app.get("api") or {})
    found += [Change("offer the API's scope", "PATCH", path, {"api": scopes})] if scopes else []
    found += [Change("let the Azure CLI call the API", "PATCH", path, {"api": consent})] if consent else []
    return found


def _web_changes(web: Json, wanted: Wanted) -> Json:
    body: Json = {}
    redirects = web.get("redirectUris", [])
    if wanted.url and wanted.url + CALLBACK not in redirects:
        body["redirectUris"] = [*redirects, wanted.url + CALLBACK]
    grants = web.get("implicitGrantSettings") or {}
    if not grants.get("enableIdTokenIssuance"):
        body["implicitGrantSettings"] = grants | {"enableIdTokenIssuance": True}
    return body


def _api_changes(api: Json) -> tuple[Json, Json]:
    """Of the property `api`: first version and scope, then the Azure CLI's consent. Graph keeps what is not named."""
    first, second = dict[str, Any](), dict[str, Any]()
    if api.get("requestedAccessTokenVersion") != 2:
        first["requestedAccessTokenVersion"] = 2
    scopes = api.get("oauth2PermissionScopes", [])
    scope_id = next((scope["id"] for scope in scopes if scope["value"] == SCOPE), SCOPE_ID)
    if scope_id not in {scope["id"] for scope in scopes}:
        first["oauth2PermissionScopes"] = [*scopes, _scope()]
    elif any(scope["id"] == scope_id and scope.get("type") != "Admin" for scope in scopes):
        first["oauth2PermissionScopes"] = [
            scope | {"type": "Admin"} if scope["id"] == scope_id else scope for scope in scopes
        ]
    clients = api.get("preAuthorizedApplications", [])
    known = [client for client in clients if client["appId"] == AZURE_CLI_APP]
    if not any(scope_id in client["delegatedPermissionIds"] for client in known):
        ids = [*(known[0]["delegatedPermissionIds"] if known else []), scope_id]
        others = [client for client in clients if client not in known]
        second["preAuthorizedApplications"] = [*others, {"appId": AZURE_CLI_APP, "delegatedPermissionIds": ids}]
    return first, second


def credential_changes(app: Json, credentials: list[Json], wanted: Wanted) -> list[Change]:
    """The app's identity stands in for the registration's secret. Another identity's credential is left alone."""
    if not (wanted.principal_id and wanted.tenant_id):
        return []
    authority, audience = CLOUDS.get(wanted.graph, CLOUDS[GLOBAL])
    if any(each["subject"] == wanted.principal_id for each in credentials):
        return []
    taken = {each["name"] for each in credentials}
    body = {
        "name": CREDENTIAL if CREDENTIAL not in taken else f"{CREDENTIAL}-{wanted.principal_id[:8]}",
        "issuer": f"{authority}/{wanted.tenant_id}/v2.0",
        "subject": wanted.principal_id,
        "audiences": [audience],
        "description": "Easy Auth signs in with the function app's identity instead of a secret.",
    }
    path = f"/applications/{app['id']}/federatedIdentityCredentials"
    return [Change("trust the app's identity instead of a secret", "POST", path, body)]


def foreign(app: Json, credentials: list[Json], owners: list[Json], wanted: Wanted) -> list[str]:
    """What others put on the registration and what lets someone in by it, a line each. `owners` are the others."""
    web, spa, public = (app.get(name) or {} for name in ("web", "spa", "publicClient"))
    addresses = [*web.get("redirectUris", []), *spa.get("redirectUris", []), *public.get("redirectUris", [])]
    clients = (app.get("api") or {}).get("preAuthorizedApplications", [])
    found = [
        f"secret {each.get('displayName') or each.get('keyId')!r}, until {each.get('endDateTime')}"
        for each in app.get("passwordCredentials", [])
    ]
    found += [
        f"certificate {each.get('displayName') or each.get('keyId')!r}, until {each.get('endDateTime')}"
        for each in app.get("keyCredentials", [])
    ]
    found += [
        f"federated credential {each['name']!r} of {each['subject']}"
        for each in credentials
        if each["subject"] != wanted.principal_id
    ]
    found += [f"redirect URI {each}" for each in addresses if each != wanted.url + CALLBACK]
    found += [f"client without consent {each['appId']}" for each in clients if each["appId"] != AZURE_CLI_APP]
    found += ["public client flows are allowed"] if app.get("isFallbackPublicClient") else []
    return found + [
        f"owner {each.get('userPrincipalName') or each.get('displayName') or each['id']}" for each in owners
    ]


def role_changes(
    resource: Json, principal_id: str, assigned: list[Json], names: tuple[str, ...]
) -> tuple[list[Change], list[str]]:
    """The app roles of `resource` that the principal lacks; and the names of those it has beyond `names`."""
    ids = {role["value"]: role["id"] for role in resource["appRoles"]}
    if unknown := [name for name in names if name not in ids]:
        raise SystemExit(f"{resource['displayName']} has no permission {', '.join(unknown)}.")
    has = {each["appRoleId"] for each in assigned if each["resourceId"] == resource["id"]}
    path = f"/servicePrincipals/{principal_id}/appRoleAssignments"
    missing = [
        Change(
            f"grant {name}",
            "POST",
            path,
            {"principalId": principal_id, "resourceId": resource["id"], "appRoleId": ids[name]},
        )
        for name in names
        if ids[name] not in has
    ]
    return missing, sorted(name for name, role in ids.items() if role in has and name not in names)


def as_command(change: Change, graph: str) -> str:
    """The change as a command for a POSIX shell (Azure Cloud Shell is one)."""
    url = f"{graph}/v1.0{change.path}"
    body = shlex.quote(json.dumps(change.body))
    return f"az rest --method {change.method} --url {shlex.quote(url)} --body {body}"


# ---- Doing it --------------------------------------------------------------------------------------------------------


class GraphError(Exception):
    """Graph refused: `status`, and its reason as the text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


Call = Callable[[str, str, Json | None], Json]
"""`(method, path, body)` to the answer. Raises GraphError."""


@dataclass(slots=True)
class Setup:
    """One run: what was done, and what an administrator has to do."""

    call: Call
    graph: str
    remember: Callable[[str], None]
    """Keeps the client id of a new registration for the next run."""
    say: Callable[[str], None] = print
    pause: Callable[[float], None] = time.sleep
    refused: list[Change] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Json | None) -> Json:
        """A call, repeated for 75 s at most: what was made a moment ago may not be known everywhere in Graph."""
        for attempt in range(1, 6):
            try:
                return self.call(method, path, body)
            except GraphError as problem:
                fresh = problem.status == 404 or (problem.status == 400 and "does not reference" in str(problem))
                if not (fresh or problem.status in {429, 500, 502, 503, 504}):
                    raise
                self.pause(5.0 * attempt)
        return self.call(method, path, body)

    def make(self, change: Change) -> Json | None:
        """Makes a change; None when this sign-in may not."""
        try:
            made = self.ask(change.method, change.path, change.body)
        except GraphError as problem:
            if problem.status == 403:
                self.refused.append(change)
                return None
            if problem.status == 400 and "already exist" in str(problem):
                return {}
            raise
        self.say(f"done: {change.what}")
        return made

    def find(self, path: str) -> Json | None:
        try:
            return self.call("GET", path, None)
        except GraphError as problem:
            if problem.status == 404:
                return None
            raise

    def listed(self, path: str) -> list[Json]:
        """All pages. The object that the list belongs to exists: 404 says that this server does not know it yet."""
        found: list[Json] = []
        while path:
            page = self.ask("GET", path, None)
            found += page["value"]
            # The next page's address, without Graph's own: `call` puts that in front.
            path = page.get("@odata.nextLink", "").removeprefix(f"{self.graph}/v1.0")
        return found

    def service_principal(self, app_id: str) -> Json | None:
        return self.find(f"/servicePrincipals(appId='{app_id}')")


def register(setup: Setup, wanted: Wanted) -> Json | None:
    """The registration and its service principal; None when there is none and it may not be made.

    One that only has the same name is never taken: its owner could let others in.
    """
    if wanted.client_id:
        app = setup.find(f"/applications(appId='{wanted.client_id}')")
        if app is None:
            raise SystemExit(f"AUTH_CLIENT_ID: this tenant has no app registration {wanted.client_id}.")
    else:
        name = urllib.parse.quote(wanted.name.replace("'", "''"))
        if named := setup.listed(f"/applications?$filter=displayName%20eq%20'{name}'"):
            ids = ", ".join(each["appId"] for each in named)
            raise SystemExit(
                f"There is a registration {wanted.name!r}. If it was made for this, and its owners are to be trusted:\n"
                f"  azd env set AUTH_CLIENT_ID {ids}"
            )
        app = setup.make(Change(f"register {wanted.name!r}", "POST", "/applications", new_application(wanted)))
    if app is None:
        return None
    if app["appId"] != wanted.client_id:
        setup.remember(app["appId"])
    if setup.service_principal(app["appId"]) is None:
        setup.make(Change("make its service principal", "POST", "/servicePrincipals", {"appId": app["appId"]}))
    return app


def run(setup: Setup, wanted: Wanted) -> None:
    """Everything that can be done now."""
    app = register(setup, wanted)
    if app:
        credentials = setup.listed(f"/applications/{app['id']}/federatedIdentityCredentials")
        for change in application_changes(app, wanted) + credential_changes(app, credentials, wanted):
            setup.make(change)
    if wanted.principal_id:
        graph = setup.call("GET", f"/servicePrincipals(appId='{GRAPH_APP}')", None)
        grant(setup, graph, wanted.principal_id, wanted.permissions)
    if app and wanted.url:
        name_foreign(setup, foreign(app, credentials, other_owners(setup, app), wanted))


def other_owners(setup: Setup, app: Json) -> list[Json]:
    """The registration's owners but the one who is signed in: who registers an app owns it."""
    try:
        me = setup.call("GET", "/me?$select=id", None)["id"]
    except GraphError:  # a pipeline's service principal has no `me`
        me = ""
    owners = setup.listed(f"/applications/{app['id']}/owners?$select=id,displayName,userPrincipalName")
    return [owner for owner in owners if owner["id"] != me]


def name_foreign(setup: Setup, found: list[str]) -> None:
    if not found:
        return
    setup.say("note: the app registration has what this script did not put there. Each of these may let someone in, or")
    setup.say("add what does. Remove what you do not know: Entra admin center > App registrations > the registration.")
    for line in found:
        setup.say(f"  {line}")


def grant(setup: Setup, resource: Json, principal_id: str, names: tuple[str, ...]) -> None:
    assigned = setup.listed(f"/servicePrincipals/{principal_id}/appRoleAssignments")
    missing, beyond = role_changes(resource, principal_id, assigned, names)
    for change in missing:
        setup.make(change)
    if beyond:
        setup.say(f"note: the identity may more of {resource['displayName']} than is asked for: {', '.join(beyond)}")


def allow_logic_app(setup: Setup, client_id: str, principal_id: str, roles: tuple[str, ...] = (RUN,)) -> None:
    """Assigns app roles to a Logic App's identity."""
    resource = setup.service_principal(client_id)
    if resource is None:
        raise SystemExit(
            f"This tenant has no app registration {client_id}: AUTH_CLIENT_ID of `azd env get-values` is it."
        )
    grant(setup, resource, principal_id, roles)


def finish(setup: Setup) -> int:
    """Prints what is left for an administrator. Returns the exit code."""
    if not setup.refused:
        setup.say("Microsoft Entra is as the app needs it.")
        return 0
    setup.say("\nYour sign-in may not do this. A Privileged Role Administrator can (for an app registration alone: an")
    setup.say("Application Administrator), for example in Azure Cloud Shell. Run afterwards, to go on:")
    setup.say("  azd hooks run postprovision\n")
    for change in setup.refused:
        setup.say(f"# {change.what}\n{as_command(change, setup.graph)}\n")
        if change.path == "/applications":
            setup.say("# ... and for the next run:\nazd env set AUTH_CLIENT_ID APPID    # the appId that it prints\n")
    return 3


def connect(graph: str, tenant_id: str) -> Call:
    """Graph, with the Azure CLI's sign-in. The token stays in this process."""
    command = [_found("az"), "account", "get-access-token", "--scope", f"{graph}/.default", "--output", "json"]
    command += ["--tenant", tenant_id] if tenant_id else []
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fixed words)
    if found.returncode:
        raise SystemExit(f"The Azure CLI is not signed in here (az login):\n{found.stderr}")
    token = json.loads(found.stdout)["accessToken"]

    def call(method: str, path: str, body: Json | None) -> Json:
        request = urllib.request.Request(  # noqa: S310 (https, from the table of clouds or azd's environment)
            f"{graph}/v1.0{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                text = answer.read()
        except urllib.error.HTTPError as problem:
            raise GraphError(problem.code, problem.read().decode(errors="replace")) from None
        return json.loads(text) if text else {}

    return call


def remember(client_id: str) -> None:
    subprocess.run([_found("azd"), "env", "set", "AUTH_CLIENT_ID", client_id], check=True)  # noqa: S603 (a GUID)


def _found(program: str) -> str:
    path = shutil.which(program)  # On Windows it is az.cmd, which only its full path starts.
    if path is None:
        raise SystemExit(f"{program} is needed and was not found.")
    return path


def main(arguments: list[str]) -> int:
    wanted = Wanted.from_env(os.environ)
    if arguments and (len(arguments) < 3 or arguments[0] != "logic-app"):
        raise SystemExit(__doc__)
    if not arguments and not os.environ.get("AZURE_ENV_NAME"):
        raise SystemExit("This runs in azd's environment: azd hooks run postprovision")
    if not wanted.graph.startswith("https://"):
        raise SystemExit(f"GRAPH_ENDPOINT: an https address is expected, not {wanted.graph!r}.")
    setup = Setup(connect(wanted.graph, wanted.tenant_id), wanted.graph, remember)
    try:
        if arguments:
            _, principal_id, client_id, *roles = arguments
            allow_logic_app(setup, client_id, principal_id, tuple(roles) or (RUN,))
        else:
            run(setup, wanted)
    except GraphError as problem:
        raise SystemExit(f"Microsoft Graph answered {problem.status}: {problem}") from None
    return finish(setup)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
