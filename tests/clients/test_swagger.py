"""GET /swagger.json by the tools that read it."""

import json
from pathlib import Path

import httpx

from local.serve import Serving
from tests.clients.conftest import HERE, run
from tests.conftest import USERS
from tests.waiting import wait

VALIDATE = """
import SwaggerParser from "@apidevtools/swagger-parser";
await SwaggerParser.validate(process.argv[2]);
"""


def test_it_is_valid_and_the_linter_has_nothing_to_say(serving: Serving, modules: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "validate.mjs").write_text(VALIDATE)
    file = tmp_path / "swagger.json"
    file.write_text(httpx.get(f"{serving.url}/api/swagger.json").text)
    run("node", tmp_path / "validate.mjs", file)
    rules = ("--ruleset", HERE / "spectral.yaml", "--fail-severity", "hint")
    run(modules / ".bin/spectral", "lint", *rules, file)


def test_it_names_the_app_that_gave_it(serving: Serving) -> None:
    found = httpx.get(f"{serving.url}/api/swagger.json").json()
    assert f"{found['schemes'][0]}://{found['host']}{found['basePath']}" == f"{serving.url}/api"


def test_what_its_lists_can_say_is_taken_by_the_app(serving: Serving) -> None:
    """A connector can send `columns` as a list only: of the name of a set for that set."""
    with httpx.Client(base_url=f"{serving.url}/api") as http:
        sets = http.get("columns").json()["sets"]
        started = http.post("exports", json={"columns": ["portal"]})
        assert started.status_code == 202, started.text
        answer = wait(lambda: (a := http.get(started.headers["Location"])).status_code != 202 and a, "the end")
        assert answer.json()["file"]["columns"] == sets["portal"]
        assert answer.json()["counts"]["exported"] == USERS
        both = http.post("exports", json={"columns": ["portal", "displayName"]})
    assert both.status_code == 400
    assert json.loads(both.text)["errors"][0]["pointer"] == "/columns/0"
