"""The README's examples can be pasted as they are against `make serve`, and with its lines for Azure against Azure."""

import os
import re
import subprocess
from pathlib import Path

from local.serve import Serving

README = (Path(__file__).parents[2] / "README.md").read_text()
EXPORT, END, AZURE = re.findall(r"```sh\n(.*?)```", README.split("## Use it")[1], re.DOTALL)[:3]


def check(script: str, folder: Path, path: str = "") -> None:
    environment = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert "userPrincipalName" in run.stdout
    assert '"status":"Completed"' in run.stdout
    assert (folder / "guests.csv").stat().st_size > 1000


def test_the_examples_start_wait_for_download_cancel_and_delete_an_export(serving: Serving, tmp_path: Path) -> None:
    check((EXPORT + END).replace("http://localhost:7071", serving.url), tmp_path)


def test_with_the_lines_for_azure_in_place_of_the_first_one_the_examples_are_the_same(
    serving: Serving, tmp_path: Path
) -> None:
    for name, answer in (("azd", f'case "$3" in *URL) echo {serving.url};; *) echo 7d1;; esac'), ("az", "echo token")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)
    first, rest = EXPORT.split("\n", 1)
    assert first == "API=http://localhost:7071/api AUTH="
    check(AZURE + rest + END, tmp_path, str(tmp_path))
