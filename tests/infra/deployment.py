"""What azd and Core Tools would upload: the project without what .funcignore names; and venvs to run it in."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pathspec
import pytest

ROOT = Path(__file__).parents[2]
WORKER = "azure-functions-runtime==1.3.0"
_CACHE = ROOT / ".local/venvs"


def packaged() -> list[Path]:
    """The files of a deployment: those in git or new to it (a checkout may hold rubbish), less .funcignore's."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    rules = pathspec.GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [Path(name) for name in sorted(names) if not rules.match_file(name)]


def build(target: Path) -> Path:
    """A zip as it is uploaded, unpacked again as in Azure: the folder that the worker is started on."""
    package = target / "package.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as file:
        for name in packaged():
            file.write(ROOT / name, name)
    folder = target / "wwwroot"
    with zipfile.ZipFile(package) as file:
        file.extractall(folder)
    return folder


def venv(python: str, *installs: list[str]) -> Path:
    """The interpreter of a virtual environment with these `pip install` lines; kept for the next run."""
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip()
    files = [(ROOT / word).read_bytes() for line in installs for word in line if (ROOT / word).is_file()]
    digest = hashlib.sha256(repr((version, installs, files)).encode()).hexdigest()[:16]
    folder = _CACHE / digest
    ready = folder / "ready"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / f"{digest}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # Two test runs at a time would break each other's.
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([python, "-m", "venv", str(folder)], check=True)
            for line in installs:
                pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                subprocess.run([*pip, "--no-compile", *line], cwd=ROOT, check=True)
            ready.touch()
    return folder / "bin/python"


def python313() -> str:
    """An interpreter for Microsoft's worker, which exists for 3.13 only. Without one the test is skipped, but in CI."""
    found = [shutil.which("python3.13") or "", *map(str, Path.home().glob(".pyenv/versions/3.13*/bin/python"))]
    for path in filter(None, found):
        # A pyenv shim is there even when no version is chosen; then it fails.
        said = subprocess.run([path, "-V"], capture_output=True, text=True, check=False)
        if said.returncode == 0 and said.stdout.startswith("Python 3.13."):
            return path
    text = "NOT TESTED under Microsoft's own worker: no python3.13 in PATH or ~/.pyenv/versions"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
