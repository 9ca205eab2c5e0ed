"""Cold start: a fresh process imports the app and answers the first `GET /api/exports`."""

import re
from dataclasses import dataclass

from benchmarks import export
from benchmarks.effort import Effort
from benchmarks.figures import mebibytes, number, shown, spread
from benchmarks.processes import Ended, ProgramError, module
from benchmarks.section import Section, Step
from local import durable_http, easy_auth

TENANT = "00000000-0000-0000-0000-000000000001"
REPEATS = 2
"""Times the other parts' repeats: it is quick, and it varies."""
PACKAGES = (
    "msgraph", "msgraph_core", "kiota_abstractions", "kiota_http", "kiota_serialization_json", "azure.storage",
    "azure.identity", "azure.core", "azure.durable_functions", "azure.functions", "aiohttp", "httpx", "requests",
    "cryptography", "opentelemetry", "msal", "msgspec", "tenacity", "shared",
)  # fmt: skip
_LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """What importing a package cost: modules of it, milliseconds in them alone, and with all that they import."""

    name: str
    modules: int
    own: float
    cumulative: float


def steps(effort: Effort) -> int:
    return REPEATS * effort.repeats + 1


def run(effort: Effort, step: Step) -> Section:
    ended: list[Ended] = []
    with export.serving("--users", "100") as on:
        environment = {
            "EXPORT_STORAGE": on.storage,
            "GRAPH_ENDPOINT": on.graph,
            **easy_auth.ON,
            "EXPORT_TENANT_ID": TENANT,
        }
        binding = durable_http.client_binding(on.url)
        principal = easy_auth.local_administrator(environment)
        for _ in range(REPEATS * effort.repeats):
            step("first list of a fresh process")
            ended.append(module("benchmarks.first_list", binding, principal, environment=environment))
        step("with import times")
        traced = module(
            "benchmarks.first_list", binding, principal, flags=["-X", "importtime"], environment=environment
        )
    if any(each.said["status"] != 200 for each in ended):
        raise ProgramError(f"GET /api/exports answered {ended[0].said['status']}.")
    packages = sorted(imported(traced.errors), key=lambda each: -each.own)
    absent = [name for name in PACKAGES if name not in {each.name for each in packages}]
    phases = {
        "import function_app": spread([each.said["import"] for each in ended]),
        "first GET /api/exports": spread([each.said["first"] for each in ended]),
        "both, CPU": spread([each.said["cpu"] for each in ended]),
        "whole process, with Python's own start": spread([each.wall for each in ended]),
    }
    return Section(
        name="cold",
        title="Cold start: a fresh process until the first answer",
        columns=["", "", "modules", "import, with what it imports"],
        rows=[
            *([name, shown(found, "s"), "", ""] for name, found in phases.items()),
            *(
                [each.name, f"{number(each.own)} ms", f"{each.modules}", f"{number(each.cumulative)} ms"]
                for each in packages
            ),
        ],
        notes=[
            "Packages: milliseconds spent in their own modules while they are imported (with -X importtime, which slows"
            f" it). Not imported by then: {', '.join(absent) or 'none of the heavy ones is left out'}. Peak memory"
            f" {mebibytes(max(each.rss for each in ended))}.",
        ],
        data={
            "seconds": {name: found.median for name, found in phases.items()},
            "packages": {each.name: {"modules": each.modules, "ownMs": each.own} for each in packages},
        },
    )


def imported(text: str) -> list[Package]:
    """The heavy packages out of what `-X importtime` wrote."""
    lines = [(int(own) / 1000, int(cumulative) / 1000, name) for own, cumulative, name in _LINE.findall(text)]
    found = []
    for package in PACKAGES:
        of_it = [line for line in lines if line[2] == package or line[2].startswith(f"{package}.")]
        if of_it:
            # The package's own line has what its __init__ imports, but not what is imported from it later.
            largest = max(cumulative for _, cumulative, _ in of_it)
            found.append(Package(package, len(of_it), sum(own for own, _, _ in of_it), largest))
    return found
