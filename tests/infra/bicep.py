"""What Azure Resource Manager gets and makes of it: infra/, compiled by Bicep where it is found (BICEP, or on PATH)."""

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
MAIN = "main.bicep"
LOGIC_APP = "logic-app/main.bicep"
CLIENT_ID = "11111111-1111-1111-1111-111111111111"
TENANT_ID = "22222222-2222-2222-2222-222222222222"
SUBNET = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
SUBSCRIPTION_ID = "33333333-3333-3333-3333-333333333333"


def compiler() -> str:
    found = os.environ.get("BICEP") or shutil.which("bicep")
    if not found:
        pytest.skip("NOT TESTED: infra/ is not compiled, because there is no Bicep compiler: BICEP=PATH, or on PATH")
    return found


def _run(*arguments: str, cwd: Path) -> str:
    env = {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **os.environ}
    done = subprocess.run([compiler(), *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def template(file: str) -> Json:
    """The compiled file of infra/: its parameters, outputs and resources, values as expressions."""
    found: Json = json.loads(_run("build", "--stdout", file, cwd=ROOT / "infra"))
    return found


@functools.cache
def deployed(**parameters: str | int | bool) -> Json:
    """`predictedResources` and `outputs` of infra/main.bicep with these parameters.

    Expressions are evaluated, but for what only exists when it is made: an identity's id, an account's address.
    """
    given = {"environmentName": "dev", "location": "westeurope", "authClientId": CLIENT_ID} | parameters
    lines = ["using 'main.bicep'", *(f"param {name} = {json.dumps(value)}" for name, value in given.items())]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "infra", folder, dirs_exist_ok=True)
        (Path(folder) / "of.bicepparam").write_text("\n".join(lines).replace('"', "'"))
        where = ["--tenant-id", TENANT_ID, "--subscription-id", SUBSCRIPTION_ID, "--location", "westeurope"]
        _run("snapshot", "of.bicepparam", *where, cwd=Path(folder))
        found: Json = json.loads((Path(folder) / "of.snapshot.json").read_text())
    return found


def resources(kind: str, **parameters: str | int | bool) -> list[Json]:
    """Those of a type without its 'Microsoft.': 'Storage/storageAccounts'."""
    return [each for each in deployed(**parameters)["predictedResources"] if each["type"] == f"Microsoft.{kind}"]


def properties(kind: str, name: str = "", **parameters: str | int | bool) -> Json:
    """Of the one resource of a type whose name has `name` in it."""
    (found,) = [each["properties"] for each in resources(kind, **parameters) if name in each["name"]]
    return dict(found)
