"""What Azure Resource Manager gets: infra/ compiled by Bicep's compiler, where it is found (BICEP, or on PATH)."""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
MAIN = ROOT / "infra/main.bicep"
LOGIC_APP = ROOT / "infra/logic-app/main.bicep"


def compiler() -> str:
    found = os.environ.get("BICEP") or shutil.which("bicep")
    if not found:
        pytest.skip("NOT TESTED: infra/ is not compiled, because there is no Bicep compiler: BICEP=PATH, or on PATH")
    return found


@functools.cache
def template(path: Path) -> Json:
    """The compiled file. A module's own template: `module`."""
    env = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **os.environ}
    command = [compiler(), "build", "--stdout", str(path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout)
    return found


def module(name: str) -> Json:
    """The template of one of infra/main.bicep's modules."""
    found: Json = template(MAIN)["resources"][name]["properties"]["template"]
    return found


def resource(module_name: str, name: str) -> Json:
    """A resource of such a module: `outer::inner` for one within another."""
    found: Json = module(module_name)["resources"][name]
    return found


def modules() -> list[str]:
    return [
        name for name, each in template(MAIN)["resources"].items() if each["type"] == "Microsoft.Resources/deployments"
    ]
