"""azure.yaml and the guide: what they name is there."""

import json
import re
from pathlib import Path

from tests.infra import bicep

ROOT = Path(__file__).parents[2]
AZURE = (ROOT / "azure.yaml").read_text()
GUIDE = (ROOT / "docs/deploying.md").read_text()


def test_azd_finds_the_app_the_infrastructure_and_the_hooks() -> None:
    assert (ROOT / re.findall(r"^  path: (\S+)", AZURE, re.MULTILINE)[0] / "main.bicep").exists()
    (service,) = re.findall(r"^services:\n  (\w+):", AZURE, re.MULTILINE)
    # azd finds the app to deploy to by this tag.
    assert f"'azd-service-name': '{service}'" in (ROOT / "infra/app/function.bicep").read_text()
    scripts = re.findall(r"run: python3? (\S+)", AZURE)
    assert len(scripts) == 4
    assert all((ROOT / script).exists() for script in scripts)


def test_hooks_are_there_for_posix_and_windows_and_stop_nothing() -> None:
    for hook in ("preprovision", "postprovision"):
        text = re.findall(rf"^  {hook}:\n((?:    .*\n)+)", AZURE, re.MULTILINE)[0]
        assert re.findall(r"^    (\w+):", text, re.MULTILINE) == ["posix", "windows"]
        assert text.count("continueOnError: true") == 2


def test_the_guide_explains_every_value_that_can_be_set() -> None:
    values = (ROOT / "infra/main.parameters.json").read_text()
    names = set(re.findall(r"\$\{([A-Z_]+)", values)) - {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_RESOURCE_GROUP"}
    # The app's settings stand in the README's table.
    names = {name for name in names if not name.startswith("EXPORT_")} - {"AUTH_CLIENT_ID"}
    assert {name for name in names if f"`{name}`" not in GUIDE} == set()


def test_the_guide_explains_every_permission_and_role() -> None:
    granted = json.loads((ROOT / "infra/graph-permissions.json").read_text())
    permissions = {name for names in granted.values() for name in names}
    assert "User.Read.All" in permissions
    assert {each for each in permissions if f"`{each}`" not in GUIDE} == set()
    roles = ("Blob Data Owner", "Queue Data Contributor", "Table Data Contributor", "Blob Data Contributor")
    for role in (*(f"Storage {role}" for role in roles), "Storage Blob Delegator", "Monitoring Metrics Publisher"):
        assert role in GUIDE


def test_the_guides_links_and_files_exist() -> None:
    for target in re.findall(r"\]\((?!https:)([^)#]+)", GUIDE):
        assert (ROOT / "docs" / target).exists(), target
    for file in re.findall(r"(?:infra|shared)/[\w./-]+\.\w+", GUIDE):
        assert (ROOT / file).exists(), file


def test_values_that_the_guide_reads_are_put_out() -> None:
    outputs = set(bicep.template(bicep.MAIN)["outputs"])
    assert set(re.findall(r"azd env get-value (\w+)", GUIDE)) <= outputs
