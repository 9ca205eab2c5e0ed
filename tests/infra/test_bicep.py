"""infra/: what the compiled templates say, held against the code, the README and the script around them."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import bicep

from shared.settings import Settings

ROOT = Path(__file__).parents[2]

# From Microsoft's list of built-in roles: the same ids in every tenant.
ROLES = {
    "blobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # Storage Blob Data Owner
    "blobDataContributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
    "blobDelegator": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",  # Storage Blob Delegator
    "queueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",  # Storage Queue Data Contributor
    "tableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",  # Storage Table Data Contributor
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",  # Monitoring Metrics Publisher
}
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


def test_it_compiles_without_a_warning_and_is_formatted() -> None:
    compiler = bicep.compiler()
    done = subprocess.run(
        ["sh", "infra/lint.sh"], cwd=ROOT, env=os.environ | {"BICEP": compiler}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def test_a_warning_of_the_compiler_fails_the_lint(tmp_path: Path) -> None:
    script = tmp_path / "infra/lint.sh"
    script.parent.mkdir()
    script.write_text((ROOT / "infra/lint.sh").read_text())
    (tmp_path / "infra/main.bicep").write_text("param unused string\n")
    env = os.environ | {"BICEP": bicep.compiler()}
    done = subprocess.run(["sh", str(script)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "no-unused-params" in done.stdout + done.stderr


def test_no_resource_is_of_a_preview() -> None:
    for name in bicep.modules():
        for resource in bicep.module(name)["resources"].values():
            # Diagnostic settings have never had a version that is no preview.
            preview = resource["apiVersion"].endswith("-preview")
            assert not preview or resource["type"] == "Microsoft.Insights/diagnosticSettings"


def test_the_parameter_file_sets_what_main_declares() -> None:
    values = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
    params = bicep.template(bicep.MAIN)["parameters"]
    assert set(values) == set(params)
    for name, param in params.items():
        found = re.fullmatch(r"\$\{[A-Z_]+(?:=([^{}]+))?\}", values[name]["value"])
        assert found, name
        # Two places with a default each: they must say the same.
        default = param.get("defaultValue", "")
        assert (found[1] or "") == (default if isinstance(default, str) else json.dumps(default)), name


def test_what_the_hook_reads_is_what_main_puts_out() -> None:
    names = set(re.findall(r'env(?:\.get\(|\[)["\']([A-Z_]+)', (ROOT / "infra/hooks/entra.py").read_text()))
    assert names - {"AZURE_ENV_NAME"} <= set(bicep.template(bicep.MAIN)["outputs"])


def test_every_group_of_permissions_is_granted_always_or_by_a_switch_of_main() -> None:
    groups = json.loads((ROOT / "infra/graph-permissions.json").read_text())
    main = bicep.template(bicep.MAIN)
    granted = main["variables"]["graphPermissions"]
    assert main["variables"]["$fxv#0"] == groups
    assert set(re.findall(r"variables\('permissions'\)\.(\w+)", granted)) == set(groups)
    for name in set(groups) - {"always"}:
        assert main["parameters"][name]["type"] == "bool"
        assert f"if(parameters('{name}'), variables('permissions').{name}, createArray())" in granted


def test_role_ids_are_those_of_microsofts_table() -> None:
    found = {
        variable: value
        for name in bicep.modules()
        for variable, value in bicep.module(name).get("variables", {}).items()
        if isinstance(value, str) and re.fullmatch(r"[0-9a-f-]{36}", value)
    }
    assert found == ROLES


def test_the_identity_may_no_more_than_it_needs() -> None:
    contributor, delegator = bicep.resource("storage", "contributor"), bicep.resource("storage", "delegator")
    assert "/blobServices/containers'" in contributor["scope"]
    assert "'blobDataContributor'" in contributor["properties"]["roleDefinitionId"]
    assert delegator["scope"].startswith("[resourceId('Microsoft.Storage/storageAccounts', format('stexp")
    assert "'blobDelegator'" in delegator["properties"]["roleDefinitionId"]
    everything = json.dumps(bicep.template(bicep.MAIN))
    for word in ("listKeys", "listAccountSas", "'Owner'", "'Contributor'"):
        assert word not in everything


def test_storage_takes_no_keys_no_anonymous_readers_and_keeps_nothing_deleted() -> None:
    assert bicep.module("storage")["variables"]["safe"] == {
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "allowSharedKeyAccess": False,
        "defaultToOAuthAuthentication": True,
        "isLocalUserEnabled": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    }
    for name in ("runtime", "exports"):
        assert bicep.resource("storage", name)["properties"].startswith("[union(variables('safe'),")
    assert bicep.resource("storage", "exports::blobs")["properties"] == {
        "deleteRetentionPolicy": {"enabled": False},
        "containerDeleteRetentionPolicy": {"enabled": False},
        "isVersioningEnabled": False,
        "changeFeed": {"enabled": False},
    }
    (rule,) = bicep.resource("storage", "exports::lifecycle")["properties"]["policy"]["rules"]
    assert rule["definition"]["filters"]["prefixMatch"] == ["[format('{0}/', parameters('exportContainer'))]"]
    age = rule["definition"]["actions"]["baseBlob"]["delete"]["daysAfterModificationGreaterThan"]
    assert age == "[parameters('retentionDays')]"


def test_reads_writes_and_removals_of_exports_are_logged() -> None:
    logs = bicep.resource("storage", "accessLog")["properties"]["logs"]
    assert {each["category"] for each in logs if each["enabled"]} == {"StorageRead", "StorageWrite", "StorageDelete"}


def test_telemetry_and_deployment_go_by_identity_only() -> None:
    assert bicep.resource("monitoring", "insights")["properties"]["DisableLocalAuth"] is True
    assert bicep.resource("monitoring", "workspace")["properties"]["features"]["disableLocalAuth"] is True
    for name in ("ftpPassword", "scmPassword"):
        assert bicep.resource("function", f"app::{name}")["properties"] == {"allow": False}
    deployment = bicep.resource("function", "app")["properties"]["functionAppConfig"]["deployment"]
    assert deployment["storage"]["authentication"]["type"] == "UserAssignedIdentity"


def test_easy_auth_requires_a_sign_in_to_this_tenant_without_a_secret() -> None:
    auth = bicep.resource("function", "app::auth")["properties"]
    assert auth["platform"]["enabled"] is True
    assert auth["globalValidation"]["requireAuthentication"] is True
    assert "excludedPaths" not in json.dumps(auth)
    registration = auth["identityProviders"]["azureActiveDirectory"]["registration"]
    assert f"'{registration['clientSecretSettingName']}', parameters('identityClientId')" in _fixed_settings()
    assert "tenant().tenantId" in registration["openIdIssuer"]
    assert auth["login"]["tokenStore"]["enabled"] is False
    assert "'WEBSITE_AUTH_AAD_ALLOWED_TENANTS', tenant().tenantId" in _fixed_settings()
    assert _export_settings()["EXPORT_TENANT_ID"] == "[tenant().tenantId]"


def test_an_instance_takes_several_requests_at_once_and_none_waits_unless_asked_for() -> None:
    scale = bicep.resource("function", "app")["properties"]["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["triggers"]["http"]["perInstanceConcurrency"] > 1
    assert scale["alwaysReady"].startswith("[if(equals(parameters('alwaysReadyInstances'), 0), createArray(), ")


def test_the_pinned_packages_come_before_those_of_the_worker() -> None:
    assert "'PYTHON_ISOLATE_WORKER_DEPENDENCIES', '1'" in _fixed_settings()


# ---- Settings: the code, the deployment and the README name the same ones --------------------------------------------


def _fixed_settings() -> str:
    """The settings that are not of shared/settings.py, as one expression: 'NAME', value, ..."""
    found: str = bicep.resource("function", "app::settings")["properties"]
    return found


def _export_settings() -> dict[str, str]:
    parameters = bicep.template(bicep.MAIN)["resources"]["function"]["properties"]["parameters"]
    found: dict[str, str] = parameters["exportSettings"]["value"]
    return found


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
# Set already, for code that is about to read them. Each leaves this set with the code.
TO_COME = {
    *("EXPORT_AUTHENTICATION_ASK", "EXPORT_AUTHENTICATION_ROLES", "EXPORT_LICENSE_NAMES", "EXPORT_PUBLIC_URL"),
    *("EXPORT_SAS_IP_RANGE", "EXPORT_TENANT_ID"),
}


def test_the_deployment_sets_every_setting_of_the_code_and_no_other() -> None:
    code = _settings_of_the_code() - STORAGE
    assert code <= set(_export_settings()) - STORAGE <= code | TO_COME
    assert "EXPORT_STORAGE__blobServiceUri" in _export_settings()


def test_the_readme_lists_every_setting_of_the_code_and_no_other() -> None:
    table = re.findall(r"^\|\s*`((?:EXPORT|GRAPH)_\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(table) - STORAGE == _settings_of_the_code() - STORAGE
    assert set(table) & STORAGE


def test_the_deployments_defaults_are_those_of_the_code() -> None:
    values = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
    env = {"EXPORT_STORAGE__blobServiceUri": "https://x.blob.core.windows.net"}
    for name, value in _export_settings().items():
        used = re.findall(r"parameters\('(export[A-Z]\w+)'\)", value)
        found = re.search(r"=([^}]+)\}", values[used[0]]["value"]) if used else None
        if found:
            env[name] = found[1]
    assert set(env) == {"EXPORT_STORAGE__blobServiceUri", "EXPORT_CONTAINER", "EXPORT_RETENTION_DAYS"}
    assert Settings.from_env(env) == Settings.from_env(dict(list(env.items())[:1]))


def test_no_setting_is_one_that_flex_consumption_refuses() -> None:
    assert not {name for name in NOT_ON_FLEX if name in _export_settings() or f"'{name}'," in _fixed_settings()}


def test_alerts_read_lines_that_the_code_logs() -> None:
    """The queries look for words in a log line: without that line in the code they would never fire."""
    code = "".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    assert re.search(r'"Export %s ended: %s \(%d users, %d errors, %d requests, %d retries\)"', code), (
        "publish must log it: see infra/app/alerts.bicep"
    )
