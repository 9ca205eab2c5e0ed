"""infra/: what the compiled templates say, held against the code, the README and the script around them."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.compare.workflow import COMPARE
from shared.export.workflow import EXPORT
from shared.settings import Settings
from shared.storage import names
from tests.infra import bicep

ROOT = Path(__file__).parents[2]

# From Microsoft's list of built-in roles: the same ids in every tenant.
ROLES = {
    "Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Blob Delegator": "db58b8e5-c6ad-4a2a-8342-4190687cbf4a",
    "Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
}
# Everything otherwise than by default, in one deployment: each takes the compiler seconds.
OTHER: dict[str, Any] = {
    "authClientId": "",
    "readAuthenticationMethods": False,
    "readSignInActivity": True,
    "readLicenses": True,
    "readDirectoryRoles": True,
    "readCustomSecurityAttributes": True,
    "readGroupMembers": True,
    "readAdministrativeUnits": True,
    "readHiddenMembers": True,
    "alwaysReadyInstances": 2,
    "subnetId": bicep.SUBNET,
    "downloadIpRanges": "203.0.113.0/24, 198.51.100.7",
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
    for resource in bicep.deployed()["predictedResources"]:
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


def test_the_permissions_of_the_list_are_granted_each_group_by_its_switch() -> None:
    groups = json.loads((ROOT / "infra/graph-permissions.json").read_text())
    defaults = bicep.template(bicep.MAIN)["parameters"]
    switches = {name: defaults[name]["defaultValue"] for name in groups if name != "always"}
    assert [name for name, on in switches.items() if on] == ["readAuthenticationMethods"]
    asked = [*groups["always"], *groups["readAuthenticationMethods"]]
    assert bicep.deployed()["outputs"]["GRAPH_PERMISSIONS"].split() == asked
    others = [name for name, on in switches.items() if not on]
    assert dict.fromkeys(others, True).items() <= OTHER.items()
    asked = [permission for name in ("always", *others) for permission in groups[name]]
    assert bicep.deployed(**OTHER)["outputs"]["GRAPH_PERMISSIONS"].split() == list(dict.fromkeys(asked))


def _roles(where: str) -> set[str]:
    """Names of the roles that the identity has exactly there: the end of a resource's id."""
    ids = {id: name for name, id in ROLES.items()}
    return {
        ids[each["properties"]["roleDefinitionId"].rpartition("/")[2]]
        for each in bicep.resources("Authorization/roleAssignments")
        if re.search(rf"{where}', 'Microsoft.Authorization/roleAssignments'", each["id"])
    }


def test_the_identity_may_no_more_than_it_needs() -> None:
    assert _roles("storageAccounts/stexp[a-z0-9]+/blobServices/default/containers/exports") == {"Blob Data Contributor"}
    assert _roles("storageAccounts/stexp[a-z0-9]+") == {"Blob Delegator"}
    runtime = {"Blob Data Owner", "Queue Data Contributor", "Table Data Contributor"}
    assert _roles("storageAccounts/strun[a-z0-9]+") == runtime
    assert _roles("components/appi-[a-z0-9]+") == {"Monitoring Metrics Publisher"}
    assert len(bicep.resources("Authorization/roleAssignments")) == len(ROLES)
    everything = json.dumps(bicep.template(bicep.MAIN))
    assert [word for word in ("listKeys", "listAccountSas") if word in everything] == []


@pytest.mark.parametrize("given", [{}, OTHER], ids=["as it comes", "with a subnet"])
def test_storage_takes_no_keys_and_no_anonymous_readers(given: dict[str, Any]) -> None:
    for account in ("strun", "stexp"):
        properties = bicep.properties("Storage/storageAccounts", account, **given)
        assert properties.pop("networkAcls")
        assert properties == {
            "allowBlobPublicAccess": False,
            "allowCrossTenantReplication": False,
            "allowSharedKeyAccess": False,
            "defaultToOAuthAuthentication": True,
            "isLocalUserEnabled": False,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
        }


def test_a_subnet_closes_storage_to_all_but_it_and_the_addresses_of_people() -> None:
    closed = {"bypass": "AzureServices", "defaultAction": "Deny"}
    closed |= {"virtualNetworkRules": [{"id": bicep.SUBNET, "action": "Allow"}]}  # type: ignore[dict-item]
    people = [{"value": value, "action": "Allow"} for value in ("203.0.113.0/24", "198.51.100.7")]
    accounts = {name: bicep.properties("Storage/storageAccounts", name, **OTHER) for name in ("strun", "stexp")}
    assert accounts["strun"]["networkAcls"] == closed
    assert accounts["stexp"]["networkAcls"] == {**closed, "ipRules": people}
    assert bicep.properties("Web/sites", **OTHER)["virtualNetworkSubnetId"] == bicep.SUBNET


def test_deleted_exports_are_gone_and_old_ones_are_deleted() -> None:
    assert bicep.properties("Storage/storageAccounts/blobServices", "stexp") == {
        "deleteRetentionPolicy": {"enabled": False},
        "containerDeleteRetentionPolicy": {"enabled": False},
        "isVersioningEnabled": False,
        "changeFeed": {"enabled": False},
    }
    (rule,) = bicep.properties("Storage/storageAccounts/managementPolicies")["policy"]["rules"]
    prefixes = [names.ORDINARY, names.KEYS, names.RUNNING, names.WORK, names.ENDED]
    assert rule["definition"]["filters"]["prefixMatch"] == [f"exports/{prefix}" for prefix in prefixes]
    assert rule["definition"]["actions"]["baseBlob"]["delete"] == {"daysAfterModificationGreaterThan": 7}


def test_reads_writes_and_removals_of_exports_are_logged() -> None:
    (log,) = [each for each in bicep.resources("Insights/diagnosticSettings") if "/stexp" in each["id"]]
    kinds = {each["category"] for each in log["properties"]["logs"] if each["enabled"]}
    assert kinds == {"StorageRead", "StorageWrite", "StorageDelete"}


def test_telemetry_and_deployment_go_by_identity_only() -> None:
    assert bicep.properties("Insights/components")["DisableLocalAuth"] is True
    assert bicep.properties("OperationalInsights/workspaces")["features"]["disableLocalAuth"] is True
    for name in ("/ftp", "/scm"):
        assert bicep.properties("Web/sites/basicPublishingCredentialsPolicies", name) == {"allow": False}
    storage = bicep.properties("Web/sites")["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"]["type"] == "UserAssignedIdentity"


def test_easy_auth_requires_a_sign_in_to_this_tenant_without_a_secret() -> None:
    auth = bicep.properties("Web/sites/config", "/authsettingsV2")
    assert auth["platform"]["enabled"] is True
    assert auth["globalValidation"]["requireAuthentication"] is True
    assert "excludedPaths" not in json.dumps(auth)
    registration = auth["identityProviders"]["azureActiveDirectory"]["registration"]
    assert registration["clientSecretSettingName"] == "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"
    assert _settings()["OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"] == _settings()["AZURE_CLIENT_ID"]
    assert bicep.TENANT_ID in registration["openIdIssuer"]
    assert auth["login"]["tokenStore"]["enabled"] is False
    assert _settings()["WEBSITE_AUTH_AAD_ALLOWED_TENANTS"] == bicep.TENANT_ID
    assert _settings()["EXPORT_TENANT_ID"] == bicep.TENANT_ID


def test_without_a_registration_there_is_no_easy_auth() -> None:
    assert [each for each in bicep.resources("Web/sites/config", **OTHER) if "auth" in each["name"]] == []


def test_an_instance_takes_several_requests_at_once_and_none_waits_unless_asked_for() -> None:
    scale = bicep.properties("Web/sites")["functionAppConfig"]["scaleAndConcurrency"]
    assert scale["triggers"]["http"]["perInstanceConcurrency"] > 1
    assert scale["alwaysReady"] == []
    ready = bicep.properties("Web/sites", **OTHER)["functionAppConfig"]["scaleAndConcurrency"]
    assert ready["alwaysReady"] == [{"name": "durable", "instanceCount": 2}]


def test_the_pinned_packages_come_before_those_of_the_worker() -> None:
    assert _settings()["PYTHON_ISOLATE_WORKER_DEPENDENCIES"] == "1"


def test_the_remote_builds_pyc_files_are_valid_after_it_has_copied_them(tmp_path: Path) -> None:
    source, copied = tmp_path / "a.py", tmp_path / "copied/a.py"
    source.write_text("x = 1")
    code = "import py_compile, sys; py_compile.compile(sys.argv[1], cfile=sys.argv[2])"
    pyc = Path(importlib.util.cache_from_source(str(copied)))
    env = os.environ | {"SOURCE_DATE_EPOCH": _settings()["SOURCE_DATE_EPOCH"]}
    subprocess.run([sys.executable, "-c", code, str(source), str(pyc)], env=env, check=True)
    copied.write_text(source.read_text())
    os.utime(copied, (0, 0))  # as a copy that does not keep times
    shown = subprocess.run(
        [sys.executable, "-vc", "import a"], cwd=copied.parent, capture_output=True, text=True, check=True
    )
    assert f"matches {copied}" in shown.stderr.replace("\\", "/")


def test_without_the_permission_the_default_columns_are_those_that_need_none() -> None:
    assert _settings()["EXPORT_DEFAULT_COLUMNS"] == "documented"
    assert _settings(**OTHER)["EXPORT_DEFAULT_COLUMNS"] == "profile"


# ---- Settings: the code, the deployment and the README name the same ones --------------------------------------------


def _settings(**parameters: Any) -> dict[str, str]:
    """The app settings, evaluated."""
    return bicep.properties("Web/sites/config", "/appsettings", **parameters)


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
    *("EXPORT_AUTHENTICATION_ASK", "EXPORT_AUTHENTICATION_ROLES", "EXPORT_LICENSE_NAMES"),
    *("EXPORT_SAS_IP_RANGE", "EXPORT_TENANT_ID"),
}


def test_the_deployment_sets_every_setting_of_the_code_and_no_other() -> None:
    code = _settings_of_the_code() - STORAGE
    deployed = {name for name in _settings() if name.startswith(("EXPORT_", "GRAPH_"))}
    assert code <= deployed - STORAGE <= code | TO_COME
    assert "EXPORT_STORAGE__blobServiceUri" in deployed


def test_the_readme_lists_every_setting_of_the_code_and_no_other() -> None:
    table = re.findall(r"^\|\s*`((?:EXPORT|GRAPH)_\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(table) - STORAGE == _settings_of_the_code() - STORAGE
    assert set(table) & STORAGE


def test_the_deployments_defaults_are_those_of_the_code() -> None:
    env = {
        name: value for name, value in _settings().items() if name.startswith("EXPORT_") and not value.startswith("[")
    }
    storage = {"EXPORT_STORAGE__blobServiceUri": "https://x.blob.core.windows.net"}
    assert env["EXPORT_CONTAINER"]
    assert env["EXPORT_RETENTION_DAYS"]
    for name in TO_COME:
        env.pop(name, None)
    assert Settings.from_env(storage | env) == Settings.from_env(storage)


def test_no_setting_is_one_that_flex_consumption_refuses() -> None:
    assert not NOT_ON_FLEX & set(_settings())


def test_alerts_read_lines_that_the_code_logs() -> None:
    """The queries look for words in a log line: without that line in the code they would never fire."""
    code = "".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    assert '"Export %s ended: %s (%d users, %d errors, %d requests, %d retries)"' in code
    assert '"Comparison %s ended: %s (' in code
    assert '"Links for export %s were made for %s: %s, correlation %s"' in code


def test_an_alert_comes_for_each_orchestrator_that_fails() -> None:
    queries = [
        each["properties"]["criteria"]["allOf"][0]["query"] for each in bicep.resources("Insights/scheduledQueryRules")
    ]
    (alert,) = [query for query in queries if query.startswith("AppRequests | where Success == false")]
    assert {name.strip(' "') for name in alert.partition("in (")[2].rstrip(")").split(",")} == {EXPORT, COMPARE}


def test_alert_and_guide_take_the_same_line_apart() -> None:
    (alert,) = [each for each in bicep.resources("Insights/scheduledQueryRules") if "many-links" in each["name"]]
    query = alert["properties"]["criteria"]["allOf"][0]["query"]
    guide = (ROOT / "docs/operating.md").read_text()
    for word in re.findall(r'"(.+?)"', query):
        assert f'"{word}"' in guide
