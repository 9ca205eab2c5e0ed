"""Clients that generators have made of the contract are imported or compiled, and export all users to the end."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from local.serve import Serving
from tests.clients.conftest import CONTRACT, PROGRAMS, run, told
from tests.conftest import USERS

ONE_OF_TWELVE = [202, *[422] * 11]
"""What twelve different requests with one Idempotency-Key get that are sent at the same moment."""


def check(found: dict[str, Any], problem: str) -> None:
    assert found["status"] == "Completed"
    assert found["users"] == found["counted"] == USERS
    assert "noSuchProperty" in found["reason"]
    assert problem in found["problem"]


def test_the_one_of_openapi_python_client(serving: Serving, tmp_path: Path) -> None:
    made = tmp_path / "made_by_python_client"
    generator = Path(sys.executable).with_name("openapi-python-client")
    run(generator, "generate", "--fail-on-warning", "--path", CONTRACT, "--output-path", made, "--meta", "none")
    program = PROGRAMS / "python_client.py"
    found = told(sys.executable, "-W", "error", program, f"{serving.url}/api", variables={"PYTHONPATH": str(tmp_path)})
    check(found, "/fileName must not have these characters: '/'")
    assert found["statuses"] == ONE_OF_TWELVE


def test_the_one_of_openapi_generator(serving: Serving, tmp_path: Path) -> None:
    if not shutil.which("java"):
        pytest.skip("NOT TESTED: there is no Java. unit/test_contract_rules.py has what this generator wants.")
    generator = Path(sys.executable).with_name("openapi-generator-cli")
    package = ("--package-name", "made_by_openapi_generator")
    run(generator, "generate", "-i", CONTRACT, "-g", "python", "-o", tmp_path, *package)
    program = PROGRAMS / "openapi_generator.py"
    found = told(sys.executable, "-W", "error", program, f"{serving.url}/api", variables={"PYTHONPATH": str(tmp_path)})
    check(found, "either users or a filter")


@pytest.mark.parametrize("program", ["openapi_fetch", "hey_api"])
def test_those_for_typescript(serving: Serving, typescript: Path, program: str) -> None:
    """openapi-typescript with openapi-fetch, and @hey-api/openapi-ts; both are compiled strictly."""
    found = told("node", typescript / f"{program}.js", f"{serving.url}/api")
    assert program != "openapi_fetch" or found["statuses"] == ONE_OF_TWELVE
    check(found, "/fileName must not have these characters: '/'")
