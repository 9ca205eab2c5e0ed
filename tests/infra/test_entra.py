"""infra/hooks/entra.py against a Microsoft Graph that keeps applications, principals and assignments in memory."""

import copy
import http.server
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

Json = dict[str, Any]
SCRIPT = Path(__file__).parents[2] / "infra/hooks/entra.py"
_spec = importlib.util.spec_from_file_location("entra", SCRIPT)
assert _spec
assert _spec.loader
entra = importlib.util.module_from_spec(_spec)
sys.modules["entra"] = entra
_spec.loader.exec_module(entra)

GRANTED = json.loads((SCRIPT.parents[1] / "graph-permissions.json").read_text())
PERMISSIONS = tuple(name for names in GRANTED.values() for name in names)
IDENTITY = "11111111-aaaa-4aaa-8aaa-111111111111"
TENANT = "22222222-bbbb-4bbb-8bbb-222222222222"
URL = "https://func-x.azurewebsites.net"


class FakeGraph:
    """As strict as the real one in what the script relies on; `deny` says which writes are forbidden."""

    def __init__(self, deny: Callable[[str], bool] = lambda path: False) -> None:
        self.deny = deny
        self.writes: list[str] = []
        self.apps: list[Json] = []
        self.credentials: dict[str, list[Json]] = {}
        self.owners: list[Json] = [{"id": "me"}]
        self.unknown: dict[str, int] = {}
        """How many times yet a path is not found, because its object was made a moment ago."""
        self.assignments: dict[str, list[Json]] = {IDENTITY: []}
        roles = [{"value": name, "id": f"role-{name}"} for name in PERMISSIONS]
        self.principals: list[Json] = [
            {"id": "sp-graph", "appId": entra.GRAPH_APP, "displayName": "Microsoft Graph", "appRoles": roles}
        ]

    def __call__(self, method: str, path: str, body: Json | None) -> Json:
        if method == "GET":
            return copy.deepcopy(self._get(path))
        if self.deny(path):
            raise entra.GraphError(403, "Authorization_RequestDenied")
        self.writes.append(f"{method} {path}")
        return self._write(method, path, copy.deepcopy(body or {}))

    def _get(self, path: str) -> Json:
        for begin in self.unknown:
            if path.startswith(begin) and self.unknown[begin] > 0:
                self.unknown[begin] -= 1
                raise entra.GraphError(404, "Request_ResourceNotFound")
        if path == "/me?$select=id":
            return {"id": "me"}
        if re.fullmatch(r"/applications/.+/owners\?.*", path):
            return {"value": self.owners}
        if found := re.fullmatch(r"/(applications|servicePrincipals)\(appId='(.+)'\)", path):
            kind = self.apps if found[1] == "applications" else self.principals
            for each in kind:
                if each["appId"] == found[2]:
                    return each
            raise entra.GraphError(404, "Request_ResourceNotFound")
        if found := re.fullmatch(r"/applications\?\$filter=(.+)", path):
            return {
                "value": [app for app in self.apps if f"displayName eq '{app['displayName']}'" == unquote(found[1])]
            }
        if found := re.fullmatch(r"/applications/(.+)/federatedIdentityCredentials", path):
            return {"value": self.credentials[found[1]]}
        if found := re.fullmatch(r"/servicePrincipals/(.+)/appRoleAssignments", path):
            return {"value": self.assignments[found[1]]}
        raise AssertionError(path)

    def _write(self, method: str, path: str, body: Json) -> Json:
        if path == "/applications":
            app = {"id": "object-1", "appId": "client-1", "identifierUris": [], **body}
            self.apps.append(app)
            self.credentials["object-1"] = []
            return app
        if path == "/servicePrincipals":
            roles = next(app for app in self.apps if app["appId"] == body["appId"])["appRoles"]
            principal = {"id": "sp-1", "appId": body["appId"], "displayName": "ours", "appRoles": roles}
            self.principals.append(principal)
            return principal
        if path.endswith("/federatedIdentityCredentials"):
            self.credentials[path.split("/")[2]].append(body)
        elif path.endswith("/appRoleAssignments"):
            self.assignments[path.split("/")[2]].append(body)
        elif method == "PATCH":
            self._patch(next(app for app in self.apps if app["id"] == path.split("/")[2]), body)
        return {}

    def _patch(self, app: Json, body: Json) -> None:
        api = body.get("api", {})
        scopes = {scope["id"] for scope in app.get("api", {}).get("oauth2PermissionScopes", [])}
        for client in api.get("preAuthorizedApplications", []):
            if not scopes.issuperset(client["delegatedPermissionIds"]):
                raise entra.GraphError(400, "preAuthorizedApplications references an unknown permission")
        for name, value in body.items():
            app[name] = {**app.get(name, {}), **value} if isinstance(value, dict) else value


def wanted(**changes: Any) -> Any:
    values: Json = {"name": "Entra user export (dev)", "url": URL, "principal_id": IDENTITY, "tenant_id": TENANT}
    return entra.Wanted(**{**values, "permissions": PERMISSIONS[:-1], **changes})


def run(graph: FakeGraph, what: Any) -> tuple[list[str], list[str], Any]:
    """What it remembered, what it said, and the run."""
    remembered: list[str] = []
    said: list[str] = []
    setup = entra.Setup(graph, entra.GLOBAL, remembered.append, said.append, lambda seconds: None)
    entra.run(setup, what)
    return remembered, said, setup


def test_before_provisioning_it_registers_the_app_and_after_it_does_the_rest() -> None:
    graph = FakeGraph()
    remembered, _, _ = run(graph, wanted(url="", principal_id="", permissions=()))
    assert remembered == ["client-1"]
    assert not graph.assignments[IDENTITY]

    remembered, _, _ = run(graph, wanted(client_id="client-1"))
    assert remembered == []
    app = graph.apps[0]
    assert app["groupMembershipClaims"] == "DirectoryRole"
    assert app["identifierUris"] == ["api://client-1"]
    assert app["web"]["redirectUris"] == [f"{URL}/.auth/login/aad/callback"]
    assert app["api"]["requestedAccessTokenVersion"] == 2
    assert [role["value"] for role in app["appRoles"]] == ["Exports.Run", "Exports.ReadAuthentication"]
    assert app["signInAudience"] == "AzureADMyOrg"
    assert [(scope["value"], scope["type"]) for scope in app["api"]["oauth2PermissionScopes"]] == [
        ("user_impersonation", "Admin")
    ]
    credential = graph.credentials["object-1"][0]
    assert credential["issuer"] == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert (credential["subject"], credential["audiences"]) == (IDENTITY, ["api://AzureADTokenExchange"])
    assert {each["appRoleId"] for each in graph.assignments[IDENTITY]} == {f"role-{name}" for name in PERMISSIONS[:-1]}
    assert "passwordCredentials" not in app


def test_running_it_again_changes_nothing() -> None:
    graph = FakeGraph()
    run(graph, wanted())
    graph.writes.clear()
    _, said, setup = run(graph, wanted(client_id="client-1"))
    assert graph.writes == []
    assert said == []
    assert entra.finish(setup) == 0


def test_what_others_put_into_the_registration_stays() -> None:
    graph = FakeGraph()
    run(graph, wanted(url="", principal_id=""))
    app = graph.apps[0]
    app["web"]["redirectUris"] = ["https://mine.example/callback"]
    app["appRoles"] = [{"value": "Other", "id": "other"}]
    app["identifierUris"] = ["https://mine.example"]
    mine = {"appId": entra.AZURE_CLI_APP, "delegatedPermissionIds": []}
    app["api"]["preAuthorizedApplications"] = [mine, {"appId": "another", "delegatedPermissionIds": []}]
    graph.credentials["object-1"] = [{"name": "easy-auth", "subject": "someone else"}]
    run(graph, wanted(client_id="client-1"))
    assert app["web"]["redirectUris"] == ["https://mine.example/callback", f"{URL}/.auth/login/aad/callback"]
    assert [role["value"] for role in app["appRoles"]] == ["Other", "Exports.Run", "Exports.ReadAuthentication"]
    assert app["identifierUris"] == ["https://mine.example", "api://client-1"]
    clients = {each["appId"]: each["delegatedPermissionIds"] for each in app["api"]["preAuthorizedApplications"]}
    assert clients == {"another": [], entra.AZURE_CLI_APP: [entra.SCOPE_ID]}
    assert [each["subject"] for each in graph.credentials["object-1"]] == ["someone else", IDENTITY]


def test_a_registration_that_lets_others_in_is_closed() -> None:
    graph = FakeGraph()
    run(graph, wanted())
    app = graph.apps[0]
    app["signInAudience"] = "AzureADMultipleOrgs"
    scope = app["api"]["oauth2PermissionScopes"][0]
    other = {"id": "other", "value": "other", "type": "User"}
    app["api"]["oauth2PermissionScopes"] = [other, scope | {"type": "User"}]
    app["appRoles"] = app["appRoles"][:1]
    run(graph, wanted(client_id="client-1"))
    assert app["signInAudience"] == "AzureADMyOrg"
    assert app["api"]["oauth2PermissionScopes"] == [other, scope]
    assert [role["value"] for role in app["appRoles"]] == ["Exports.Run", "Exports.ReadAuthentication"]


def test_what_others_put_on_the_registration_is_named_and_stays() -> None:
    graph = FakeGraph()
    run(graph, wanted())
    app = graph.apps[0]
    app["passwordCredentials"] = [{"displayName": "old", "endDateTime": "2030-01-01T00:00:00Z"}]
    app["keyCredentials"] = [{"keyId": "k1", "endDateTime": "2031-01-01T00:00:00Z"}]
    app["web"]["redirectUris"].append("https://web.example/cb")
    app["spa"] = {"redirectUris": ["https://spa.example"]}
    app["publicClient"] = {"redirectUris": ["http://localhost"]}
    app["isFallbackPublicClient"] = True
    app["api"]["preAuthorizedApplications"].append({"appId": "another", "delegatedPermissionIds": []})
    graph.credentials["object-1"].append({"name": "ci", "subject": "repo:x"})
    graph.owners += [{"id": "2", "userPrincipalName": "eve@contoso.example"}, {"id": "3", "displayName": "a pipeline"}]
    graph.writes.clear()
    _, said, _ = run(graph, wanted(client_id="client-1"))
    assert graph.writes == []
    assert said[0].startswith("note: the app registration has what this script did not put there.")
    assert said[2:] == [
        "  secret 'old', until 2030-01-01T00:00:00Z",
        "  certificate 'k1', until 2031-01-01T00:00:00Z",
        "  federated credential 'ci' of repo:x",
        "  redirect URI https://web.example/cb",
        "  redirect URI https://spa.example",
        "  redirect URI http://localhost",
        "  client without consent another",
        "  public client flows are allowed",
        "  owner eve@contoso.example",
        "  owner a pipeline",
    ]


def test_only_the_missing_permission_is_granted_and_one_too_many_is_named() -> None:
    graph = FakeGraph()
    run(graph, wanted(permissions=PERMISSIONS))
    graph.assignments[IDENTITY].pop(0)
    graph.writes.clear()
    _, said, _ = run(graph, wanted(client_id="client-1", permissions=PERMISSIONS[:-1]))
    assert graph.writes == [f"POST /servicePrincipals/{IDENTITY}/appRoleAssignments"]
    assert said == [
        "done: grant User.Read.All",
        f"note: the identity may more of Microsoft Graph than is asked for: {PERMISSIONS[-1]}",
    ]


def test_without_the_rights_it_prints_the_commands_for_an_administrator() -> None:
    graph = FakeGraph(deny=lambda path: "appRoleAssignments" in path)
    _, said, setup = run(graph, wanted())
    assert entra.finish(setup) == 3
    commands = [line for text in said for line in text.splitlines() if line.startswith("az rest")]
    assert len(commands) == len(PERMISSIONS[:-1])
    words = shlex.split(commands[0])
    assert words[:6] == [
        "az",
        "rest",
        "--method",
        "POST",
        "--url",
        f"https://graph.microsoft.com/v1.0/servicePrincipals/{IDENTITY}/appRoleAssignments",
    ]
    assert '"appRoleId": "role-User.Read.All"' in words[7]
    assert graph.apps[0]["identifierUris"], "what may be done is done"


def test_without_the_right_to_register_nothing_is_guessed() -> None:
    graph = FakeGraph(deny=lambda path: path == "/applications")
    remembered, said, setup = run(graph, wanted(principal_id=""))
    assert remembered == []
    assert entra.finish(setup) == 3
    assert "azd env set AUTH_CLIENT_ID" in said[-1]
    assert [change.method + change.path for change in setup.refused] == ["POST/applications"]
    assert graph.writes == []


def test_a_registration_that_only_has_the_name_is_not_taken() -> None:
    """Anyone who may register apps could have put it there, and would own what people sign in to."""
    graph = FakeGraph()
    graph.apps = [{"id": "1", "appId": "client-9", "displayName": "Entra user export (dev)"}]
    with pytest.raises(SystemExit, match="azd env set AUTH_CLIENT_ID client-9"):
        run(graph, wanted())
    assert graph.writes == []


def test_what_was_made_a_moment_ago_is_waited_for() -> None:
    graph = FakeGraph()
    pauses: list[float] = []
    answers = [entra.GraphError(404, "not yet"), entra.GraphError(400, "does not reference a valid object")]

    def call(method: str, path: str, body: Json | None) -> Json:
        if path == "/servicePrincipals" and answers:
            raise answers.pop(0)
        return graph(method, path, body)

    setup = entra.Setup(call, entra.GLOBAL, lambda text: None, lambda text: None, pauses.append)
    entra.run(setup, wanted())
    assert pauses == [5.0, 10.0]
    assert len(graph.principals) == 2


def test_reading_what_was_made_a_moment_ago_is_repeated_but_not_for_ever() -> None:
    graph = FakeGraph()
    graph.unknown = {
        "/applications/object-1/federatedIdentityCredentials": 2,
        f"/servicePrincipals/{IDENTITY}/appRoleAssignments": 1,
    }
    pauses: list[float] = []
    setup = entra.Setup(graph, entra.GLOBAL, lambda text: None, lambda text: None, pauses.append)
    entra.run(setup, wanted())
    assert pauses == [5.0, 10.0, 5.0]
    assert len(graph.assignments[IDENTITY]) == len(PERMISSIONS[:-1])

    graph.unknown = {f"/servicePrincipals/{IDENTITY}/appRoleAssignments": 99}
    pauses.clear()
    with pytest.raises(entra.GraphError, match="Request_ResourceNotFound"):
        entra.run(setup, wanted(client_id="client-1"))
    assert pauses == [5.0, 10.0, 15.0, 20.0, 25.0]


def test_a_logic_app_gets_the_app_role_once() -> None:
    graph = FakeGraph()
    run(graph, wanted())
    graph.assignments["logic"] = []
    for _ in range(2):
        setup = entra.Setup(graph, entra.GLOBAL, lambda text: None, lambda text: None)
        entra.allow_logic_app(setup, "client-1", "logic")
    assert graph.assignments["logic"] == [
        {"principalId": "logic", "resourceId": "sp-1", "appRoleId": entra.APP_ROLE_IDS["Exports.Run"]}
    ]
    entra.allow_logic_app(setup, "client-1", "logic", ("Exports.Run", "Exports.ReadAuthentication"))
    assert [each["appRoleId"] for each in graph.assignments["logic"]] == list(entra.APP_ROLE_IDS.values())


@pytest.mark.parametrize(
    ("graph", "issuer", "audience"),
    [
        ("https://graph.microsoft.us", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
        (
            "https://microsoftgraph.chinacloudapi.cn",
            "https://login.chinacloudapi.cn",
            "api://AzureADTokenExchangeChina",
        ),
    ],
)
def test_national_clouds_have_their_own_sign_in(graph: str, issuer: str, audience: str) -> None:
    change = entra.credential_changes({"id": "x"}, [], wanted(graph=graph))[0]
    assert change.body["issuer"] == f"{issuer}/{TENANT}/v2.0"
    assert change.body["audiences"] == [audience]


def test_what_azd_gives_is_what_is_wanted() -> None:
    env = {"AZURE_ENV_NAME": "dev", "FUNCTION_APP_URL": URL + "/", "GRAPH_PERMISSIONS": "A B", "GRAPH_ENDPOINT": ""}
    found = entra.Wanted.from_env(env)
    assert (found.name, found.url, found.permissions, found.graph) == (
        "Entra user export (dev)",
        URL,
        ("A", "B"),
        entra.GLOBAL,
    )


# ---- Its edges: the Azure CLI and HTTP -------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[tuple[str, list[Json]]]:
    """Answers like Graph over HTTP, and keeps what it was sent."""
    received: list[Json] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = {"method": self.command, "path": self.path, "body": self.rfile.read(length).decode()}
            received.append(sent | {"token": self.headers["Authorization"]})
            body = b""
            if self.path.startswith("/v1.0/pages"):
                page = {"value": [{"n": len(received)}]}
                if "second" not in self.path:
                    page["@odata.nextLink"] = f"http://{self.headers['Host']}/v1.0/pages?second"  # type: ignore[assignment]
                body = json.dumps(page).encode()
            self.send_response(200 if body else 404 if "missing" in self.path else 204)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, *_: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", received
        running.shutdown()


def _program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_graph_is_called_with_the_azure_clis_token(
    server: tuple[str, list[Json]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, received = server
    _program(tmp_path, "az", f'echo "$@" > {tmp_path}/arguments; echo \'{{"accessToken": "secret"}}\'')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    call = entra.connect(url, TENANT)
    words = (tmp_path / "arguments").read_text().split()
    assert words == [
        "account",
        "get-access-token",
        "--scope",
        f"{url}/.default",
        "--output",
        "json",
        "--tenant",
        TENANT,
    ]

    assert call("PATCH", "/applications/1", {"a": 1}) == {}
    sent = {"method": "PATCH", "path": "/v1.0/applications/1", "body": '{"a": 1}', "token": "Bearer secret"}
    assert received == [sent]
    setup = entra.Setup(call, url, lambda text: None)
    assert setup.find("/missing") is None
    assert setup.listed("/pages") == [{"n": 3}, {"n": 4}]


def _run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{folder}:/usr/bin:/bin", **environment}
    command = [sys.executable, "-I", str(SCRIPT), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_what_is_missing_on_the_machine_is_said_plainly(tmp_path: Path) -> None:
    assert "azd hooks run postprovision" in _run(tmp_path).stderr
    assert "az is needed and was not found" in _run(tmp_path, AZURE_ENV_NAME="dev").stderr
    assert "an https address" in _run(tmp_path, AZURE_ENV_NAME="dev", GRAPH_ENDPOINT="http://x").stderr
    assert "logic-app PRINCIPAL_ID" in _run(tmp_path, "nonsense").stderr
    _program(tmp_path, "az", "echo 'Please run az login' >&2; exit 1")
    done = _run(tmp_path, AZURE_ENV_NAME="dev")
    assert done.returncode == 1
    assert "Please run az login" in done.stderr
    assert "Traceback" not in done.stderr
