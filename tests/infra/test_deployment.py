"""What is deployed: the right files, host.json, locked packages; and the app starts from them alone."""

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker

from shared.settings import Settings
from tests.infra import deployment

ROOT = deployment.ROOT

# Prints what the Functions host would index; the imports come from the deployment and its packages only.
LIST = """
import json, function_app
found = {f.get_function_name(): [b.type for b in f.get_bindings()] for f in function_app.app.get_functions()}
print(json.dumps(found))
"""


def test_what_is_deployed_is_the_app_and_nothing_else() -> None:
    names = {path.parts[0] for path in deployment.packaged()}
    assert names == {"function_app.py", "host.json", "requirements.txt", "shared"}
    kinds = {path.suffix for path in deployment.packaged()}
    assert kinds <= {".py", ".json", ".txt", ".html", ".css", ".js", ".svg", ".csv"}


@pytest.mark.parametrize(
    "name",
    [
        "wt_env/bin/python",  # azd's own venv: named by the project's folder
        *("local.settings.json", ".env", "local/tenant/graph.py", "tests/unit/test_ids.py", "infra/main.bicep"),
        *("docs/deploying.md", "benchmarks/run.py", ".git/config", ".venv/bin/python", "demo/users.csv"),
        *("local/node_modules/azurite/package.json", "shared/__pycache__/api.cpython-311.pyc", "requirements.in"),
    ],
)
def test_secrets_and_tools_stay_at_home(name: str) -> None:
    import pathspec

    rules = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())
    assert rules.match_file(name)


def test_it_starts_with_the_packages_of_requirements_txt_alone(tmp_path: Path) -> None:
    python = deployment.venv(sys.executable, ["-r", "requirements.txt"])
    folder = deployment.build(tmp_path)
    # -I: neither the checkout nor the environment can help; -B: nothing is written beside the files.
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{LIST}"
    done = subprocess.run([python, "-IBc", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    functions: dict[str, list[str]] = json.loads(done.stdout)
    triggers = {name: [each for each in types if each.endswith("Trigger")] for name, types in functions.items()}
    assert all(len(found) == 1 for found in triggers.values()), triggers
    assert {"start_export", "show_export", "export_users", "plan", "export", "publish"} <= set(functions)


def test_azd_restore_finds_nothing_to_build(tmp_path: Path) -> None:
    for name in (*deployment.packaged(), Path("pyproject.toml")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "local").mkdir()  # a second folder, as in the checkout that azd works on
    (tmp_path / "local/__init__.py").touch()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--dry-run"]
    done = subprocess.run([*pip, "."], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# ---- host.json -------------------------------------------------------------------------------------------------------


def _host() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "host.json").read_text())
    return found


def test_host_json_is_of_version_2_with_a_bundle_of_version_4() -> None:
    host = _host()
    assert host["version"] == "2.0"
    assert host["extensionBundle"] == {
        "id": "Microsoft.Azure.Functions.ExtensionBundle",
        "version": "[4.*, 5.0.0)",
    }
    assert re.fullmatch(r"\d\d:\d\d:\d\d", host["functionTimeout"])


def test_one_instance_reads_all_lanes_of_an_export_and_durable_logs_no_inputs() -> None:
    durable = _host()["extensions"]["durableTask"]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", durable["hubName"])
    # Other instances come only after tens of seconds. A few more, or another export waits until lanes hand over; no
    # more than that, because each holds a block and pages in memory.
    parallel = Settings.from_env({"AzureWebJobsStorage": "UseDevelopmentStorage=true"}).parallel
    assert parallel < durable["maxConcurrentActivityFunctions"] <= 1.5 * parallel
    assert 1 <= durable["storageProvider"]["partitionCount"] <= 16
    assert durable["storageProvider"]["connectionName"] == "AzureWebJobsStorage"
    assert durable["tracing"]["traceInputsAndOutputs"] is False


def test_the_lines_that_alerts_read_are_never_sampled_away() -> None:
    sampling = _host()["logging"]["applicationInsights"]["samplingSettings"]
    assert {"Trace", "Exception", "Request"} <= set(sampling["excludedTypes"].split(";"))


# ---- requirements.txt: what is deployed is what was tested -----------------------------------------------------------


def _pins(file: str) -> dict[str, set[str]]:
    """A package's name to its version, or to one with each marker."""
    lines = re.findall(
        r"^([a-z][\w.-]*)(?:\[\w+\])?==([\w.]+)(?: *; *([^\\\n]+))?", (ROOT / file).read_text(), re.MULTILINE
    )
    found: dict[str, set[str]] = {}
    for name, version, marker in lines:
        if not marker or Marker(marker.strip()).evaluate():
            found.setdefault(name, set()).add(version)
    return found


def test_requirements_txt_has_the_pins_of_requirements_in() -> None:
    """When this fails: infra/lock.sh."""
    direct, all_of_them = _pins("requirements.in"), _pins("requirements.txt")
    assert len(direct) > 10
    assert {name: all_of_them.get(name) for name in direct} == direct


def test_everything_that_is_installed_has_hashes_and_comes_from_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text()
    entries = re.split(r"\n(?=[a-z])", text.partition("\n#")[2])
    assert len(entries) > 30
    assert all("--hash=sha256:" in entry for entry in entries[1:])
    assert "://" not in text
    assert "index-url" not in text


def test_the_tests_run_with_the_packages_that_are_deployed() -> None:
    """When this fails: a package for tests wants another version, or the environment is an old one (make clean)."""
    pinned = _pins("requirements.txt")
    assert {name: {importlib.metadata.version(name)} for name in pinned} == pinned


def test_every_package_that_the_app_imports_is_pinned_by_itself() -> None:
    """What only comes along with another package goes away with its next version."""
    imported = {name for path in deployment.packaged() if path.suffix == ".py" for name in _imports(ROOT / path)}
    assert {"azure.functions", "msgspec", "msgraph"} <= imported
    packages = importlib.metadata.packages_distributions()
    found = {name: _packages(name, packages) for name in imported}
    unpinned = {
        name: all_of_them for name, all_of_them in found.items() if not all_of_them & set(_pins("requirements.in"))
    }
    assert unpinned == {}


def test_no_package_has_a_module_of_the_apps_names() -> None:
    """Azure puts the app's folder last on the path: a package's `shared` would be imported instead of ours."""
    packages = importlib.metadata.packages_distributions()
    assert "msgspec" in packages
    assert {path.parts[0].removesuffix(".py") for path in deployment.packaged() if path.suffix == ".py"} & set(
        packages
    ) == set()


def _imports(path: Path) -> set[str]:
    """Names of the modules of other packages; of a namespace with its first part: azure.core."""
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level
    }
    parts = [name.split(".") for name in names]
    others = [each for each in parts if each[0] not in {*sys.stdlib_module_names, "shared", "function_app"}]
    return {".".join(each[:2]) if each[0] == "azure" else each[0] for each in others}


def _packages(module: str, packages: Mapping[str, list[str]]) -> set[str]:
    top, _, inner = module.partition(".")
    found = set(packages.get(top, []))
    if inner:
        found = {name for name in found if _has(name, top, inner)}
    return {name.lower().replace("_", "-") for name in found}


def _has(distribution: str, *folder: str) -> bool:
    return any(each.parts[:2] == folder for each in importlib.metadata.files(distribution) or [])
