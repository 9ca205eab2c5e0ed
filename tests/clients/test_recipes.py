"""The recipes of docs/clients.md: run where that is possible, else read by their own parser or rules."""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.serve import Serving
from tests.api.api_client import CONTRACT
from tests.clients.conftest import run
from tests.conftest import USERS
from tests.json_texts import texts

Json = dict[str, Any]
DOCS = Path(__file__).parents[2] / "docs"
RECIPES = DOCS / "recipes"
TEXT = (DOCS / "clients.md").read_text()
PARSE = """
import parser from "@microsoft/powerquery-parser";
import { readFileSync } from "node:fs";
const { TaskUtils, DefaultSettings } = parser;
const parsed = await TaskUtils.tryLexParse(DefaultSettings, readFileSync(process.argv[2], "utf8"));
if (parsed.resultKind !== "Ok") throw parsed.error;
"""


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


def recipe(name: str) -> Json:
    found: Json = json.loads((RECIPES / name).read_text())
    return found


def test_the_one_for_python_reads_every_user(serving: Serving) -> None:
    script = block("python")
    assert script.count("http://localhost:7071") == 1
    found = run(sys.executable, "-c", script.replace("http://localhost:7071", serving.url))
    assert found == f"{USERS} users\n"


def test_the_one_for_python_ends_with_the_reason(serving: Serving) -> None:
    script = block("python").replace("http://localhost:7071", serving.url)
    for request, reason in (('"filter": "noSuch eq 1"', "noSuch"), ('"fileName": "a/b"', "/fileName")):
        with pytest.raises(AssertionError, match=reason):
            run(sys.executable, "-c", script.replace('"excel": False', request))


def test_the_one_for_powershell_reads_every_user(serving: Serving, tmp_path: Path) -> None:
    if not shutil.which("pwsh"):
        pytest.skip("NOT TESTED: there is no PowerShell 7 (pwsh).")
    file = tmp_path / "users.csv"
    start = f". {RECIPES / 'Export-EntraUser.ps1'}; $ErrorActionPreference = 'Stop'; "
    export = f"Export-EntraUser {serving.url}/api @{{{{ columns = 'profile'{{}} }}}} @{{{{}}}} {file} | Out-Null; "
    read = f"(Import-Csv {file} | Measure-Object).Count"
    assert run("pwsh", "-NoProfile", "-Command", start + export.format("") + read).split()[-1] == str(USERS)
    with pytest.raises(AssertionError, match="noSuch"):
        run("pwsh", "-NoProfile", "-Command", start + export.format("; filter = 'noSuch eq 1'"))


def test_the_one_for_power_query_is_m(modules: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "parse.mjs").write_text(PARSE)
    run("node", tmp_path / "parse.mjs", RECIPES / "Users.pq")
    (tmp_path / "broken.pq").write_text((RECIPES / "Users.pq").read_text().replace("    Users = ", "    Users = ,"))
    with pytest.raises(AssertionError):
        run("node", tmp_path / "parse.mjs", tmp_path / "broken.pq")


def test_the_one_for_power_query_types_what_it_asks_for_and_knows_every_status() -> None:
    text = (RECIPES / "Users.pq").read_text()
    (asked,) = re.findall(r"columns = \{(.*?)\}", text)
    columns = re.findall(r'"(\w+)"', asked)
    assert re.findall(r'\{"(\w+)", type \w+\}', text) == columns
    assert set(columns) <= set(CONTRACT["components"]["schemas"]["ColumnName"]["enum"])
    (statuses,) = re.findall(r"Statuses = \{(.*?)\}", text)
    paths = CONTRACT["paths"]
    answers = {*paths["/exports"]["post"]["responses"], *paths["/exports/{id}"]["get"]["responses"]}
    # Neither chunks nor a browser are Power Query's.
    assert {each.strip() for each in statuses.split(",")} == answers - {"200", "411", "415"}


def test_the_commands_of_az_rest_go_where_the_api_is() -> None:
    (found,) = (each for each in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) if "az rest" in each)
    run("bash", "-n", "-c", found)
    assert set(re.findall(r"\$API(/[\w/$]*)", found)) == {"/exports", "/exports/$ID"}
    assert all("--resource" in line for line in found.splitlines() if "az rest" in line)


def test_the_one_for_data_factory_names_what_it_has_and_fails_without_a_file() -> None:
    found = recipe("data-factory.json")
    pipeline = found["pipeline"]["properties"]
    start, check = pipeline["activities"]
    inner = [*check["typeProperties"]["ifTrueActivities"], *check["typeProperties"]["ifFalseActivities"]]
    names = {each["name"] for each in [start, check, *inner]}
    for text in texts(found):
        assert set(re.findall(r"activity\('([^']+)'\)", text)) <= names
        assert set(re.findall(r"pipeline\(\)\.parameters\.(\w+)", text)) <= set(pipeline["parameters"])
    assert start["typeProperties"]["url"]["value"].endswith("'/exports')")
    assert start["typeProperties"]["turnOffAsync"] is False
    # The answer and the link are secrets: not in the run's history.
    assert start["policy"]["secureOutput"] is True
    assert [each["type"] for each in inner] == ["Fail", "Copy"]
    assert "'error'" in check["typeProperties"]["expression"]["value"]
    _leads_somewhere(texts(found), r"activity\('Export users'\)\.output\.([\w.]+)")


def test_the_one_for_sharepoint_hides_the_link() -> None:
    found = recipe("sharepoint.json")
    assert found["Get_file"]["runtimeConfiguration"]["secureData"]["properties"] == ["inputs", "outputs"]
    assert "authentication" not in found["Get_file"]["inputs"]
    assert found["Create_file"]["runAfter"] == {"Get_file": ["Succeeded"]}
    _leads_somewhere(texts(found), r"body\('Export_users'\)((?:\?\['\w+'\])+)")


def test_a_webhook_unsubscribes_by_cancelling_and_deletes_nothing() -> None:
    (action,) = recipe("http-webhook.json").values()
    subscribe, unsubscribe = action["inputs"]["subscribe"], action["inputs"]["unsubscribe"]
    assert subscribe["uri"].endswith("/api/exports")
    assert subscribe["body"]["callbackUrl"] == "@{listCallbackUrl()}"
    assert unsubscribe["method"] == "POST"
    assert "'/cancel')" in unsubscribe["uri"]
    assert action["runtimeConfiguration"]["secureData"]["properties"] == ["outputs"]


def _leads_somewhere(found: Iterator[str], pattern: str) -> None:
    """The properties that expressions take from an export are in the contract."""
    schemas = CONTRACT["components"]["schemas"]
    paths = [re.findall(r"\w+", path) for text in found for path in re.findall(pattern, text)]
    assert paths
    for path in paths:
        model = schemas["Export"]
        for name in path:
            assert name in model["properties"], path
            field = model["properties"][name]
            field = field["oneOf"][0] if "oneOf" in field else field
            model = schemas[field["$ref"].rsplit("/", 1)[1]] if "$ref" in field else field
