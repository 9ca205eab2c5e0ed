"""Programs that others wrote, for all of these tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
CONTRACT = HERE.parents[1] / "shared/api/openapi.json"
MODULES = HERE / "node_modules"


@pytest.fixture(scope="session")
def modules() -> Path:
    """Where the packages for JavaScript are."""
    if not MODULES.exists():
        pytest.skip("NOT TESTED: tests/clients/node_modules is not there. `make test` sets it up.")
    return MODULES


@pytest.fixture(scope="session")
def typescript(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs in TypeScript, compiled strictly with the types of the contract."""
    folder = tmp_path_factory.mktemp("typescript")
    (folder / "node_modules").symlink_to(modules)
    for file in (*PROGRAMS.glob("*.ts"), HERE / "tsconfig.json", HERE / "package.json"):
        (folder / file.name).write_text(file.read_text())
    run(modules / ".bin/openapi-typescript", CONTRACT, "-o", folder / "contract.ts")
    run(modules / ".bin/openapi-ts", "-i", CONTRACT, "-o", folder / "made_by_hey_api", folder=folder)
    run(modules / ".bin/tsc", "--project", folder)
    return folder / "out"


def run(*command: str | Path, folder: Path | None = None, variables: dict[str, str] | None = None) -> str:
    """What a program says; it fails when the program does, with what it said."""
    # `ruff`, which one of them calls, is beside the Python that runs the tests.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **(variables or {})}
    parts = [str(part) for part in command]
    done = subprocess.run(parts, capture_output=True, text=True, timeout=240, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    return done.stdout


def told(*command: str | Path, variables: dict[str, str] | None = None) -> Any:
    """What a program says, as JSON."""
    return json.loads(run(*command, variables=variables))
