"""The README's examples can be pasted as they are against `make serve`."""

import re
import subprocess
from pathlib import Path

from local.serve import launch

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_examples_start_wait_for_download_cancel_and_delete_an_export(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", README.split("## Use it")[1], re.DOTALL)
    with launch(tmp_path / "data", "--users", "300") as serving:
        script = "".join(blocks[:2]).replace("http://localhost:7071", serving.url)
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert run.returncode == 0, run.stderr
    assert "userPrincipalName" in run.stdout
    assert '"status":"Completed"' in run.stdout
    assert (tmp_path / "guests.csv").stat().st_size > 1000
