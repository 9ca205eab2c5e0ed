"""infra/ as it would be deployed, held against checkov's rules. infra/.checkov.yaml says which findings stay."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.infra import bicep

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "infra/.checkov.yaml"


def checkov(folder: Path, *options: str) -> str:
    """What it finds in both forms of the deployment: without a subnet, and with one."""
    program = os.environ.get("CHECKOV") or shutil.which("checkov")
    if not program:
        pytest.skip("NOT TESTED: checkov is not installed (make audit does it; or CHECKOV=PATH)")
    for name, resources in {
        "open": bicep.deployed()["predictedResources"],
        "closed": bicep.deployed(subnetId=bicep.SUBNET)["predictedResources"],
    }.items():
        schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
        template = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": resources}
        (folder / f"{name}.json").write_text(json.dumps(template, indent=1))
    (folder / "logic-app.json").write_text(json.dumps(bicep.template(bicep.LOGIC_APP), indent=1))
    command = [program, "--directory", str(folder), "--framework", "arm", "--compact", "--skip-download", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert re.search(r"Passed checks: \d\d", done.stdout), done.stdout + done.stderr
    return done.stdout


def test_checkov_finds_nothing_that_has_no_reason(tmp_path: Path) -> None:
    said = checkov(tmp_path, "--config-file", str(CONFIG))
    assert "Failed checks: 0" in said, said


def test_each_finding_that_stays_is_still_found(tmp_path: Path) -> None:
    found = set(re.findall(r"Check: (CKV\w+)", checkov(tmp_path, "--quiet")))
    assert set(re.findall(r"- (CKV\w+) #", CONFIG.read_text())) == found
