"""`python -m local serve`: what it says, and where it leads."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx

from local.serve import PAGE, launch
from local.tenant.populate import SHAPES


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_says_how_to_end_it_which_tenant_it_has_and_which_folder_and_its_root_leads_to_the_page(
    tmp_path: Path,
) -> None:
    with launch(tmp_path, "--users", "1234") as serving:
        found = httpx.get(serving.url, follow_redirects=True)
        said = (tmp_path / "serve.log").read_text()

    assert f"ready on {serving.url} (page: {serving.url}{PAGE})\n" in said
    last = said.splitlines()[-1]
    assert "a simulated tenant of 1,234 users" in last
    assert str(tmp_path) in last
    assert "Ctrl-C ends it" in last
    assert found.url.path == PAGE
    assert found.headers["Content-Type"].startswith("text/html")


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        run = serve("--port", str(port), "--data", str(tmp_path))

    assert run.returncode == 1
    assert run.stdout == ""
    wanted = f"Port {port} is in use: end the program that listens there, or choose another port with --port.\n"
    assert run.stderr == wanted


def test_a_shape_that_does_not_exist_is_answered_with_those_that_do() -> None:
    run = serve("--shape", "round")

    assert run.returncode == 2
    assert [shape for shape in SHAPES if shape not in run.stderr] == []
    assert "{" + ",".join(sorted(SHAPES)) + "}" in serve("--help").stdout
