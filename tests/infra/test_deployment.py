"""What is deployed: the right files, host.json, locked packages; and the app starts from them alone."""

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import deployment
import pytest

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
    assert kinds <= {".py", ".json", ".txt", ".html", ".css", ".js", ".svg"}


@pytest.mark.parametrize(
    "name",
    [
        "wt_env/bin/python",  # azd's own venv: named by the project's folder
        *("local.settings.json", ".env", "local/tenant/graph.py", "tests/unit/test_ids.py", "infra/main.bicep"),
        *("docs/deploying.md", "benchmarks/run.py", ".git/config", ".venv/bin/python", "demo/users.csv"),
        *("local/node_modules/azurite/package.json", "shared/__pycache__/api.cpython-311.pyc", "requirements.lock"),
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


def test_no_package_brings_a_folder_that_would_hide_ours() -> None:
    """In Azure the app's own folder is the last on the path."""
    ours = {path.parts[0].removesuffix(".py") for path in deployment.packaged() if path.suffix == ".py"}
    assert ours == {"shared", "function_app"}
    for package in importlib.metadata.distributions():
        tops = {file.parts[0].removesuffix(".py") for file in package.files or ()}
        assert not tops & ours, package.name


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


def test_durable_runs_few_activities_an_instance_and_logs_no_inputs() -> None:
    durable = _host()["extensions"]["durableTask"]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", durable["hubName"])
    # Several per instance, because they wait for Graph; few, because each holds a block and pages in memory.
    assert 4 <= durable["maxConcurrentActivityFunctions"] <= 16
    assert 1 <= durable["storageProvider"]["partitionCount"] <= 16
    assert durable["storageProvider"]["connectionName"] == "AzureWebJobsStorage"
    assert durable["tracing"]["traceInputsAndOutputs"] is False


def test_the_lines_that_alerts_read_are_never_sampled_away() -> None:
    sampling = _host()["logging"]["applicationInsights"]["samplingSettings"]
    assert {"Trace", "Exception", "Request"} <= set(sampling["excludedTypes"].split(";"))


# ---- requirements.lock -----------------------------------------------------------------------------------------------


def _pins(text: str) -> dict[tuple[str, str], str]:
    """(name, version) to the marker."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[\w+\])?==([\w.]+)(?: *; *([^\\\n]+))?", text, re.MULTILINE)
    return {(name.lower(), version): marker for name, version, marker in found}


def test_the_lock_has_the_pins_of_requirements_txt() -> None:
    """When this fails: infra/lock.sh."""
    locked = _pins((ROOT / "requirements.lock").read_text())
    assert set(_pins((ROOT / "requirements.txt").read_text())) <= set(locked)
    names = {re.split(r"[\[=<>; ]", line)[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if line}
    assert names <= {name for name, _ in locked}


def test_everything_in_the_lock_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[a-z])", text.partition("\n#")[2])
    assert len(entries) > 30
    assert all("--hash=sha256:" in entry for entry in entries[1:])
    assert "://" not in text
    assert "index-url" not in text
