"""What needs no storage does not wait for its SDK to be imported, which takes a third of a second of a new instance."""

import json
import os
import subprocess
import sys
from pathlib import Path

from shared.settings import USER_ADMINISTRATOR
from tests.api.api_client import principal

ROOT = Path(__file__).parents[2]
ASK = """
import asyncio, json, sys
import azure.functions as func
from local import host_functions

functions = {each.name: each.call for each in host_functions.load("function_app:app").http}

def ask(name, **route):
    request = func.HttpRequest(
        method="GET", url="https://x/api/x", headers=json.loads(sys.argv[1]), route_params=route, body=b""
    )
    return asyncio.run(functions[name](req=request)).status_code

answers = [ask("list_columns"), ask("show_contract"), ask("page"), ask("page_file", file="script.js")]
print(json.dumps([answers, sorted(name for name in sys.modules if name.startswith(("azure.storage", "msgraph")))]))
"""


def test_columns_contract_and_page_are_answered_without_importing_the_storage() -> None:
    env = os.environ | {"WEBSITE_AUTH_ENABLED": "True", "EXPORT_STORAGE": "UseDevelopmentStorage=true"}
    env["EXPORT_TENANT_ID"] = "ab1f708d-50f6-404c-a006-d71b2ac7a606"
    command = [
        sys.executable,
        "-c",
        ASK,
        json.dumps(principal("admin", USER_ADMINISTRATOR, tid=env["EXPORT_TENANT_ID"])),
    ]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[200, 200, 200, 200], []]
