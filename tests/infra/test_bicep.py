"""The Bicep files, as far as they can be checked without the compiler and without Azure."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import bicep
import pytest
from tree_sitter import Node

from shared.settings import Settings

ROOT = Path(__file__).parents[2]
MAIN = ROOT / "infra/main.bicep"
FILES = sorted((ROOT / "infra").rglob("*.bicep"))

# From Microsoft's list of built-in roles: the same ids in every tenant.
ROLES = {
    "blobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # Storage Blob Data Owner
    "blobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
    "blobDelegator": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",  # Storage Blob Delegator
    "queueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",  # Storage Queue Data Contributor
    "tableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",  # Storage Table Data Contributor
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",  # Monitoring Metrics Publisher
}
FUNCTIONS = {
    *("concat", "empty", "environment", "guid", "join", "loadJsonContent", "resourceGroup", "split", "string"),
    *("subscription", "subscriptionResourceId", "tenant", "trim", "union", "uniqueString", "uri"),
}
DECORATORS = {"description", "allowed", "minLength", "maxLength", "minValue", "maxValue", "secure"}
# Flex Consumption refuses or ignores these; they belong to older plans.
NOT_ON_FLEX = {
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_EXTENSION_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "ENABLE_ORYX_BUILD",
    "AzureWebJobsStorage",
    "APPINSIGHTS_INSTRUMENTATIONKEY",
}

every_file = pytest.mark.parametrize("file", [bicep.read(path) for path in FILES], ids=[path.name for path in FILES])


@every_file
def test_it_is_bicep(file: bicep.File) -> None:
    assert bicep.errors(file) == []


def test_the_check_of_the_syntax_finds_a_missing_brace(tmp_path: Path) -> None:
    broken = tmp_path / "broken.bicep"
    broken.write_text(MAIN.read_text().replace("scope: group\n", "scope: group {\n", 1))
    assert bicep.errors(bicep.read(broken))


@every_file
def test_every_name_is_declared_once_and_every_declaration_is_used(file: bicep.File) -> None:
    declared = [each.name for each in file.declarations if each.kind != "output"]
    # Nested resources of two parents may share a name; nothing else may.
    outer = [
        each.name for each in file.declarations if each.kind != "output" and "/" not in each.type.partition("/")[2]
    ]
    assert len(outer) == len(set(outer))
    used = file.names_used()
    assert used - set(declared) - file.loop_names() == set()
    assert {each.name for each in file.declarations if each.kind in {"param", "var"}} - used == set()
    assert file.functions() <= FUNCTIONS | DECORATORS


@every_file
def test_resources_have_a_type_and_a_version_that_exists_by_now(file: bicep.File) -> None:
    for resource in file.named("resource").values():
        assert re.fullmatch(r"Microsoft\.\w+(/\w+)+", resource.type), resource.name
        found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(-preview)?", resource.version)
        assert found, resource.name
        assert date(2016, 1, 1) <= date.fromisoformat(found[1]) <= date(2025, 6, 30)
        # Diagnostic settings have never had a version that is no preview.
        assert not found[2] or resource.type == "Microsoft.Insights/diagnosticSettings"


@every_file
def test_modules_get_exactly_what_they_declare(file: bicep.File) -> None:
    for module in file.named("module").values():
        path = file.path.parent / bicep.text(module.node.named_children[1]).strip("'")
        target = bicep.read(path)
        given = set(bicep.entries(bicep.at(module.body, "params")))
        params = target.named("param")
        needed = {name for name, each in params.items() if "=" not in [child.type for child in each.node.children]}
        assert needed <= given <= set(params), module.name
        outputs = set(re.findall(rf"\b{module.name}\.outputs\.(\w+)", file.path.read_text()))
        assert outputs <= set(target.named("output"))


def test_the_parameter_file_sets_what_main_declares() -> None:
    values = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
    params = bicep.read(MAIN).named("param")
    assert set(values) == set(params)
    for name, param in params.items():
        default = bicep.text(param.node.named_children[-1]).strip("'") if "=" in bicep.text(param.node) else ""
        found = re.fullmatch(r"\$\{[A-Z_]+(?:=([^{}]+))?\}", values[name]["value"])
        assert found, name
        # Two places with a default each: they must say the same.
        assert (found[1] or "") == default, name


def test_what_the_hook_reads_is_what_main_puts_out() -> None:
    names = set(re.findall(r'env(?:\.get\(|\[)["\']([A-Z_]+)', (ROOT / "infra/hooks/entra.py").read_text()))
    assert names - {"AZURE_ENV_NAME"} <= set(bicep.read(MAIN).named("output"))


def test_every_group_of_permissions_is_granted_always_or_by_a_switch_of_main() -> None:
    granted = json.loads((ROOT / "infra/graph-permissions.json").read_text())
    used = set(re.findall(r"\bpermissions\.(\w+)", MAIN.read_text())) - {"json"}
    assert used == set(granted)
    assert {f"{name} ? permissions.{name} : []" in MAIN.read_text() for name in used - {"always"}} == {True}


def test_role_ids_are_those_of_microsofts_table_and_all_are_assigned() -> None:
    found = {}
    for file in map(bicep.read, FILES):
        found |= {
            name: bicep.text(each.node.named_children[-1]).strip("'")
            for name, each in file.named("var").items()
            if re.fullmatch(r"'[0-9a-f-]{36}'", bicep.text(each.node.named_children[-1]))
        }
    assert found == ROLES


def _resource(path: str, name: str) -> Node:
    return bicep.read(ROOT / "infra/app" / path).named("resource")[name].body


def test_the_identity_may_no_more_than_it_needs() -> None:
    contributor, delegator = _resource("storage.bicep", "contributor"), _resource("storage.bicep", "delegator")
    assert bicep.text(bicep.at(contributor, "scope")) == "exports::blobs::container"
    assert "blobDataContributor" in bicep.text(contributor)
    assert bicep.text(bicep.at(delegator, "scope")) == "exports"
    assert "blobDelegator" in bicep.text(delegator)
    everything = "".join(path.read_text() for path in FILES)
    for word in ("listKeys", "listAccountSas", "scope: subscription", "'Owner'", "'Contributor'"):
        assert word not in everything


def test_storage_takes_no_keys_no_anonymous_readers_and_keeps_nothing_deleted() -> None:
    file = bicep.read(ROOT / "infra/app/storage.bicep")
    safe = bicep.entries(next(node for node in bicep.walk(file.named("var")["safe"].node) if node.type == "object"))
    assert {name: bicep.text(value) for name, value in safe.items()} == {
        "allowBlobPublicAccess": "false",
        "allowCrossTenantReplication": "false",
        "allowSharedKeyAccess": "false",
        "defaultToOAuthAuthentication": "true",
        "isLocalUserEnabled": "false",
        "minimumTlsVersion": "'TLS1_2'",
        "supportsHttpsTrafficOnly": "true",
    }
    for name in ("runtime", "exports"):
        assert bicep.text(bicep.at(_resource("storage.bicep", name), "properties")).startswith("union(safe,")
    text = bicep.text(_resource("storage.bicep", "exports"))
    assert "deleteRetentionPolicy: { enabled: false }" in text
    assert "containerDeleteRetentionPolicy: { enabled: false }" in text
    assert "isVersioningEnabled: false" in text
    assert "prefixMatch: ['${exportContainer}/']" in text
    assert "daysAfterModificationGreaterThan: retentionDays" in text


def test_telemetry_and_deployment_go_by_identity_only() -> None:
    assert bicep.text(bicep.at(_resource("monitoring.bicep", "insights"), "properties", "DisableLocalAuth")) == "true"
    assert "disableLocalAuth: true" in bicep.text(_resource("monitoring.bicep", "workspace"))
    for name in ("ftpPassword", "scmPassword"):
        assert bicep.text(bicep.at(_resource("function.bicep", name), "properties", "allow")) == "false"
    storage = bicep.at(_resource("function.bicep", "app"), "properties", "functionAppConfig", "deployment", "storage")
    assert bicep.text(bicep.at(storage, "authentication", "type")) == "'UserAssignedIdentity'"


def test_easy_auth_requires_a_sign_in_without_a_secret() -> None:
    auth = bicep.at(_resource("function.bicep", "auth"), "properties")
    assert bicep.text(bicep.at(auth, "platform", "enabled")) == "true"
    assert bicep.text(bicep.at(auth, "globalValidation", "requireAuthentication")) == "true"
    assert "excludedPaths" not in bicep.text(auth)
    registration = bicep.at(auth, "identityProviders", "azureActiveDirectory", "registration")
    setting = bicep.text(bicep.at(registration, "clientSecretSettingName")).strip("'")
    assert setting in _fixed_settings()
    assert bicep.text(bicep.at(auth, "login", "tokenStore", "enabled")) == "false"


# ---- Settings: the code, the deployment and the README name the same ones --------------------------------------------


def _fixed_settings() -> set[str]:
    properties = bicep.at(_resource("function.bicep", "settings"), "properties")
    return set(bicep.entries(next(node for node in bicep.walk(properties) if node.type == "object")))


def _export_settings() -> dict[str, Node]:
    module = bicep.read(MAIN).named("module")["function"]
    return bicep.entries(bicep.at(module.body, "params", "exportSettings"))


class _Recorder(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)


def _settings_of_the_code() -> set[str]:
    env = _Recorder({"EXPORT_STORAGE__blobServiceUri": "https://x.blob.core.windows.net"})
    Settings.from_env(env)
    return {name for name in env.asked if name.startswith(("EXPORT_", "GRAPH_"))}


# Other ways to name the same storage: a connection string (local), an account's name.
STORAGE = {"EXPORT_STORAGE", "EXPORT_STORAGE__accountName", "EXPORT_STORAGE__blobServiceUri"}


def test_the_deployment_sets_every_setting_of_the_code_and_no_other() -> None:
    assert set(_export_settings()) - STORAGE == _settings_of_the_code() - STORAGE
    assert "EXPORT_STORAGE__blobServiceUri" in _export_settings()


def test_the_readme_lists_every_setting_of_the_code_and_no_other() -> None:
    table = re.findall(r"^\|\s*`((?:EXPORT|GRAPH)_\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(table) - STORAGE == _settings_of_the_code() - STORAGE
    assert set(table) & STORAGE


def test_the_deployments_defaults_are_those_of_the_code() -> None:
    values = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
    env = {"EXPORT_STORAGE__blobServiceUri": "https://x.blob.core.windows.net"}
    for name, node in _export_settings().items():
        used = re.findall(r"\bexport[A-Z]\w+", bicep.text(node))
        found = re.search(r"=([^}]+)\}", values[used[0]]["value"]) if used else None
        if found:
            env[name] = found[1]
    assert set(env) == {"EXPORT_STORAGE__blobServiceUri", "EXPORT_CONTAINER", "EXPORT_RETENTION_DAYS"}
    assert Settings.from_env(env) == Settings.from_env(dict(list(env.items())[:1]))


def test_no_setting_is_one_that_flex_consumption_refuses() -> None:
    assert not (_fixed_settings() | set(_export_settings())) & NOT_ON_FLEX


def test_alerts_read_lines_that_the_code_logs() -> None:
    """The queries look for words in a log line: without that line in the code they would never fire."""
    code = "".join(path.read_text() for path in (ROOT / "shared").glob("*.py"))
    assert re.search(r'"Export %s ended: %s \(%d users, %d errors, %d requests, %d retries\)"', code), (
        "publish must log it: see infra/app/alerts.bicep"
    )
