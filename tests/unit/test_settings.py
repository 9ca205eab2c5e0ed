"""Every setting: its default, its check, and that nothing is read before it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings import (
    APP_ROLE,
    AZURE,
    GLOBAL_ADMINISTRATOR,
    USER_ADMINISTRATOR,
    Settings,
    SettingsError,
)
from shared.settings.checks import NEVER_ALLOWED

ROOT = Path(__file__).parents[2]
STORAGE = {"EXPORT_STORAGE": "AccountName=a;AccountKey=b"}


def read(**env: str) -> Settings:
    return Settings.from_env(STORAGE | env)


def refusal(**env: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(**env)
    return str(caught.value)


def test_the_defaults_are_those_of_the_readme() -> None:
    assert read() == Settings(
        graph_endpoint="https://graph.microsoft.com",
        storage="AccountName=a;AccountKey=b",
        container="exports",
        range_users=10_000,
        parallel=40,
        sas_minutes=60,
        default_columns="documented",
        allowed_roles=frozenset({GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR, APP_ROLE}),
        authentication_roles=frozenset({GLOBAL_ADMINISTRATOR, USER_ADMINISTRATOR, APP_ROLE}),
        authentication_ask="registered",
        license_names="",
        callback_hosts=("*.logic.azure.com",),
        retention_days=7,
        max_running=10,
        public_url="",
        sas_ip_range="",
        azure=False,
        easy_auth=False,
        tenant="",
    )


def test_every_setting_can_be_set() -> None:
    found = Settings.from_env(
        {
            "GRAPH_ENDPOINT": "https://graph.microsoft.us",
            "EXPORT_STORAGE__blobServiceUri": "https://acc.blob.core.windows.net/",
            "EXPORT_CONTAINER": "my-exports",
            "EXPORT_RANGE_USERS": "500",
            "EXPORT_PARALLEL": "4",
            "EXPORT_SAS_MINUTES": "5",
            "EXPORT_DEFAULT_COLUMNS": "portal",
            "EXPORT_ALLOWED_ROLES": " Exports.Run , f2ef992c-3afb-46b9-b7cf-a126ee74c451,",
            "EXPORT_AUTHENTICATION_ROLES": "Exports.ReadAuthentication",
            "EXPORT_AUTHENTICATION_ASK": "all",
            "EXPORT_LICENSE_NAMES": "names/products.csv",
            "EXPORT_CALLBACK_HOSTS": "*.logic.azure.us, Hooks.Contoso.com",
            "EXPORT_RETENTION_DAYS": "30",
            "EXPORT_MAX_RUNNING": "3",
            "EXPORT_PUBLIC_URL": "https://exports.contoso.com/users/",
            "EXPORT_SAS_IP_RANGE": "203.0.113.0-203.0.113.255",
            "EXPORT_TENANT_ID": "8D0E31C4-7a0b-4f7e-9a55-2f3c1f7d3c11",
            "WEBSITE_SITE_NAME": "app",
            "WEBSITE_AUTH_ENABLED": "True",
        }
    )

    assert found == Settings(
        graph_endpoint="https://graph.microsoft.us",
        storage="https://acc.blob.core.windows.net",
        container="my-exports",
        range_users=500,
        parallel=4,
        sas_minutes=5,
        default_columns="portal",
        allowed_roles=frozenset({"Exports.Run", "f2ef992c-3afb-46b9-b7cf-a126ee74c451"}),
        authentication_roles=frozenset({"Exports.ReadAuthentication"}),
        authentication_ask="all",
        license_names="names/products.csv",
        callback_hosts=("*.logic.azure.us", "hooks.contoso.com"),
        retention_days=30,
        max_running=3,
        public_url="https://exports.contoso.com/users",
        sas_ip_range="203.0.113.0-203.0.113.255",
        azure=True,
        easy_auth=True,
        tenant="8d0e31c4-7a0b-4f7e-9a55-2f3c1f7d3c11",
    )


def test_an_empty_setting_is_one_that_is_not_set() -> None:
    assert read(EXPORT_PARALLEL=" ", EXPORT_CONTAINER="", GRAPH_ENDPOINT=" ") == read()


def test_all_problems_are_told_together_and_by_name() -> None:
    wrong = {
        "GRAPH_ENDPOINT": "graph.microsoft.com",
        "EXPORT_STORAGE": "no connection string",
        "EXPORT_CONTAINER": "Ex ports",
        "EXPORT_RANGE_USERS": "0",
        "EXPORT_PARALLEL": "many",
        "EXPORT_SAS_MINUTES": "-1",
        "EXPORT_DEFAULT_COLUMNS": "all",
        "EXPORT_ALLOWED_ROLES": sorted(NEVER_ALLOWED)[0],
        "EXPORT_RETENTION_DAYS": "1.5",
        "EXPORT_MAX_RUNNING": "0",
    }
    told = refusal(**wrong)

    assert all(f"{name}:" in told for name in wrong)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EXPORT_RANGE_USERS", "٣"),
        ("EXPORT_RANGE_USERS", "10000001"),
        ("EXPORT_RANGE_USERS", "1_000"),
        ("EXPORT_PARALLEL", "0"),
        ("EXPORT_PARALLEL", "501"),
        ("EXPORT_PARALLEL", "+4"),
        ("EXPORT_SAS_MINUTES", "10081"),
        ("EXPORT_RETENTION_DAYS", "3651"),
        ("EXPORT_MAX_RUNNING", "1001"),
        ("EXPORT_CONTAINER", "ab"),
        ("EXPORT_CONTAINER", "a" * 64),
        ("EXPORT_CONTAINER", "a--b"),
        ("EXPORT_CONTAINER", "-ab"),
        ("EXPORT_CONTAINER", "exports/x"),
        ("EXPORT_CONTAINER", "$root"),
        ("EXPORT_DEFAULT_COLUMNS", "Documented"),
        ("EXPORT_PUBLIC_URL", "exports.contoso.com"),
        ("EXPORT_PUBLIC_URL", "http://exports.contoso.com"),
        ("EXPORT_PUBLIC_URL", "https://ann@exports.contoso.com"),
        ("EXPORT_PUBLIC_URL", "https://exports.contoso.com/?a=b"),
        ("EXPORT_PUBLIC_URL", "https://exports.contoso.com\r\nX-Evil: a"),
        ("EXPORT_PUBLIC_URL", 'https://exports.contoso.com/"'),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, text: str) -> None:
    assert f"{name}:" in refusal(**{name: text})


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://graph.microsoft.com/", "https://graph.microsoft.com"),
        ("https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us"),
        ("https://microsoftgraph.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:1", "http://[::1]:1"),
    ],
)
def test_graph_is_reached_by_https_or_on_this_machine(given: str, used: str) -> None:
    assert read(GRAPH_ENDPOINT=given).graph_endpoint == used


@pytest.mark.parametrize(
    "given",
    [
        "http://graph.microsoft.com",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "https://someone@graph.microsoft.com",
        "https://graph.microsoft.com/v1.0",
        "https://graph.microsoft.com?x=1",
        "ftp://localhost",
        "https://",
        "https://[",
    ],
)
def test_any_other_address_of_graph_is_refused(given: str) -> None:
    assert "GRAPH_ENDPOINT: " in refusal(GRAPH_ENDPOINT=given)


@pytest.mark.parametrize(
    ("env", "storage"),
    [
        ({"AzureWebJobsStorage": "AccountName=web"}, "AccountName=web"),
        ({"AzureWebJobsStorage": "AccountName=web", "EXPORT_STORAGE": "AccountName=own"}, "AccountName=own"),
        (
            {"AzureWebJobsStorage": "AccountName=web", "EXPORT_STORAGE__blobServiceUri": "https://own.example"},
            "https://own.example",
        ),
        ({"AzureWebJobsStorage__accountName": "web"}, "https://web.blob.core.windows.net"),
        (
            {"AzureWebJobsStorage__accountName": "web", "AzureWebJobsStorage__blobServiceUri": "https://uri.example"},
            "https://uri.example",
        ),
        ({"EXPORT_STORAGE__blobServiceUri": "http://127.0.0.1:10000/acc"}, "http://127.0.0.1:10000/acc"),
        ({"EXPORT_STORAGE": " ", "AzureWebJobsStorage": "AccountName=web"}, "AccountName=web"),
    ],
)
def test_storage_falls_back_to_that_of_the_functions_host(env: dict[str, str], storage: str) -> None:
    assert Settings.from_env(env).storage == storage


def test_the_abbreviation_for_the_emulator_becomes_its_connection_string() -> None:
    assert "BlobEndpoint=http://127.0.0.1:10000/" in read(EXPORT_STORAGE="UseDevelopmentStorage=true").storage


def test_no_storage_at_all_is_told_with_all_the_names_that_would_do() -> None:
    with pytest.raises(SettingsError, match=r"EXPORT_STORAGE__blobServiceUri \(or EXPORT_STORAGE, or AzureWebJobs"):
        Settings.from_env({})


def test_storage_over_plain_http_is_refused() -> None:
    with pytest.raises(SettingsError, match="EXPORT_STORAGE__blobServiceUri: an https address"):
        Settings.from_env({"EXPORT_STORAGE__blobServiceUri": "http://acc.blob.core.windows.net"})


@pytest.mark.parametrize("role", sorted(NEVER_ALLOWED))
def test_roles_that_are_no_administrators_can_not_be_allowed(role: str) -> None:
    assert role in refusal(EXPORT_ALLOWED_ROLES=f"Exports.Run,{role}")


def test_who_may_export_may_have_authentication_columns_unless_a_setting_says_otherwise() -> None:
    assert read(EXPORT_ALLOWED_ROLES="Exports.Run").authentication_roles == {"Exports.Run"}
    assert read(EXPORT_ALLOWED_ROLES="Exports.Run").all_read_authentication
    assert not read(EXPORT_AUTHENTICATION_ROLES="Exports.ReadAuthentication").all_read_authentication
    assert not read(EXPORT_AUTHENTICATION_ROLES=",").authentication_roles
    assert "EXPORT_AUTHENTICATION_ROLES" in refusal(EXPORT_AUTHENTICATION_ROLES=sorted(NEVER_ALLOWED)[0])


@pytest.mark.parametrize("name", AZURE)
def test_each_variable_that_azure_sets_is_enough(name: str) -> None:
    assert read(**{name: "1"}).azure
    assert not read(**{name: ""}).azure


@pytest.mark.parametrize(
    "text", ["contoso.onmicrosoft.com", "common", "8d0e31c4", "8d0e31c4-7a0b-4f7e-9a55-2f3c1f7d3c1g"]
)
def test_a_tenant_is_an_id(text: str) -> None:
    assert "EXPORT_TENANT_ID" in refusal(EXPORT_TENANT_ID=text)


def test_the_own_setting_of_the_tenant_comes_before_that_of_easy_auth() -> None:
    one, other = "8d0e31c4-7a0b-4f7e-9a55-2f3c1f7d3c11", "1c2b3a49-1111-4f7e-9a55-2f3c1f7d3c11"
    assert read(EXPORT_TENANT_ID=one, WEBSITE_AUTH_AAD_ALLOWED_TENANTS=other).tenant == one
    assert read(WEBSITE_AUTH_AAD_ALLOWED_TENANTS=f"{other}, ").tenant == other
    assert read(WEBSITE_AUTH_AAD_ALLOWED_TENANTS=f"{one},{other}").tenant == ""


@pytest.mark.parametrize("text", ["203.0.113.7", "203.0.113.0-203.0.113.255", "0.0.0.0-255.255.255.255"])
def test_links_can_be_bound_to_an_address_or_a_range(text: str) -> None:
    assert read(EXPORT_SAS_IP_RANGE=text).sas_ip_range == text


@pytest.mark.parametrize(
    "text",
    [
        "203.0.113.0/24",
        "203.0.113.9-203.0.113.1",
        "a",
        "-",
        "1.2.3.4-",
        "1.2.3",
        "1.2.3.4-1.2.3.5-1.2.3.6",
        "::1",
        "1.2.3.4&sp=rw",
    ],
)
def test_what_is_no_range_of_addresses_is_refused(text: str) -> None:
    assert "EXPORT_SAS_IP_RANGE" in refusal(EXPORT_SAS_IP_RANGE=text)


@pytest.mark.parametrize(("text", "on"), [("True", True), ("true", True), ("", False), ("False", False), ("1", False)])
def test_easy_auth_is_on_only_when_app_service_says_so(text: str, on: bool) -> None:
    assert read(WEBSITE_AUTH_ENABLED=text).easy_auth is on


def test_importing_the_app_reads_no_environment_and_loads_no_client() -> None:
    """An exception at import, or seconds of it, would show in Azure as "no functions found" or a slow cold start."""
    program = """
import sys
import function_app
heavy = {"msgraph", "azure.identity", "azure.storage.blob", "kiota_http"}
print(sorted(heavy & set(sys.modules)), function_app._settings.cache_info().currsize)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={}, capture_output=True, text=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == ("[] 0", "")


@pytest.mark.parametrize(
    "uri",
    ["https://[x", "https://acc.blob.core.windows.net:abc", "https://acc.blob.core.windows.net/?sig=x", "http://a.b"],
)
def test_a_storage_address_that_is_none_is_told_by_name(uri: str) -> None:
    with pytest.raises(SettingsError, match="EXPORT_STORAGE__blobServiceUri:"):
        Settings.from_env({"EXPORT_STORAGE__blobServiceUri": uri})


@pytest.mark.parametrize("name", ["https://x.example/a.csv", "/etc/passwd", "../a.csv", "a/../b", "a//b", "a\\b"])
def test_names_of_licenses_come_from_the_app_or_the_container_only(name: str) -> None:
    assert "EXPORT_LICENSE_NAMES" in refusal(EXPORT_LICENSE_NAMES=name)


def test_whose_authentication_methods_are_asked_for_is_one_of_two() -> None:
    assert "EXPORT_AUTHENTICATION_ASK" in refusal(EXPORT_AUTHENTICATION_ASK="some")
