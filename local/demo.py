"""`python -m local demo`: one export of a simulated tenant, from the POST to files that are checked.

1. Start everything in a temporary folder (serve.py).
2. POST /api/exports, follow Location with a progress bar.
3. Download both files through their SAS links.
4. Compare the CSV's object ids with the tenant's own list: each user exactly once, or the demo fails.
"""

import argparse
import csv
import itertools
import math
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from local import serve
from local.progress import Progress
from local.truth import differences

POLL_SECONDS = 0.2
ROWS, COLUMNS, WIDTH = 3, ("displayName", "userPrincipalName", "userType", "department"), 28
START_SECONDS, USERS_A_SECOND = 6, 2000
ASK_ALL = {"EXPORT_AUTHENTICATION_ASK": "all"}
"""The file is complete: the registration report alone lacks the methods that were registered today."""
GOOD = frozenset({"Completed", "CompletedWithErrors"})


class DemoError(Exception):
    """The export did not do what it should."""


def demo(options: argparse.Namespace) -> None:
    """Raises DemoError when any user of the tenant is missing from the file, or there twice."""
    out = Path(options.out)
    arguments = ["--app", options.app, "--workers", str(options.workers), "--concurrency", str(options.concurrency)]
    for name in ("users", "seed", "latency_ms", "shape", "durable_host", "durable_hosts", "host_json"):
        if (value := getattr(options, name)) is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    if options.permissions:
        arguments += ["--permissions", ",".join(options.permissions)]
    folder = Path(tempfile.mkdtemp(prefix="entra-user-export-"))
    try:
        print(
            f"This exports a simulated tenant of {options.users:,} users, as a caller of the API would, and checks the"
            f" file.\nNothing leaves this machine. It takes about {time_for(options.users)}.",
            flush=True,
        )
        with (
            serve.launch(folder, *arguments, environment=ASK_ALL | os.environ, say=print) as serving,
            httpx.Client(timeout=60, trust_env=False) as http,
        ):
            results, seconds = _export(http, serving.url)
            _download(http, results, out)
            _summarize(results, seconds, out)
            _check(http, serving.graph, results, out)
            _first_rows(out)
            print(
                "Next: `make serve` keeps the API and the page up on http://localhost:7071; README.md shows its calls."
            )
    except serve.ServeError as error:
        raise DemoError(str(error)) from error
    finally:
        if os.environ.get("LOCAL_KEEP"):
            print(f"The state was kept in {folder}.")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def time_for(users: int) -> str:
    """`20 seconds`, `9 minutes`: what an ordinary machine takes."""
    seconds = START_SECONDS + users / USERS_A_SECOND
    return f"{math.ceil(seconds / 10) * 10} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"


def _export(http: httpx.Client, url: str) -> tuple[dict[str, Any], float]:
    progress = Progress()
    answer = http.post(f"{url}/api/exports", json={"fileName": "users"})
    if answer.status_code != 202:
        raise DemoError(f"POST /api/exports answered {answer.status_code}: {reason_of(answer)}")
    location = answer.headers["Location"]
    print(f"POST /api/exports: 202, Location {location}", flush=True)
    while True:
        answer = http.get(location)
        if answer.status_code != 202:
            break
        body = answer.json()
        progress.show(body["status"], body.get("progress") or {})
        time.sleep(POLL_SECONDS)
    seconds = progress.end()
    if answer.status_code != 200:
        raise DemoError(f"The export ended with {answer.status_code}: {reason_of(answer)}")
    results: dict[str, Any] = answer.json()
    return results, seconds


def reason_of(answer: httpx.Response) -> str:
    """The sentence in an error of the API: of a problem (RFC 9457), or of a failed export."""
    try:
        body = answer.json()
        return str(body["detail"] if "detail" in body else body["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return "the answer has no reason."


def _download(http: httpx.Client, results: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for kind, name in (("csv", "users.csv"), ("results", "results.json")):
        with http.stream("GET", results["download"][kind]) as answer:
            if answer.status_code != 200:
                raise DemoError(f"The SAS link of {name} answered {answer.status_code}.")
            with (out / name).open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)


def _counted(count: int, name: str) -> str:
    """`1 error`, `2 retries`."""
    one = {"retries": "retry"}.get(name, name.removesuffix("s"))
    return f"{count:,} {one if count == 1 else name}"


def _summarize(results: dict[str, Any], seconds: float, out: Path) -> None:
    counts = results.get("counts") or {}
    exported = counts.get("exported") or 0
    warnings = results.get("warnings") or []
    print(f"{results['status']}: {exported:,} users in {seconds:.1f} s ({exported / seconds:,.0f} users/s)")
    shown = {**counts, "warnings": len(warnings)}
    names = ("errors", "warnings", "ranges", "requests", "retries", "restarts")
    print("  " + ", ".join(_counted(shown.get(name, 0), name) for name in names))
    for error in (results.get("errors") or [])[:3]:
        print(f"  error {error.get('code')}: {error.get('reason')}")
    for warning in warnings[:3]:
        print(f"  warning {warning['code']}: {warning['reason']}")
    for name in ("users.csv", "results.json"):
        print(f"  {out / name} ({(out / name).stat().st_size:,} bytes)")


def _check(http: httpx.Client, graph: str, results: dict[str, Any], out: Path) -> None:
    if results["status"] not in GOOD:
        raise DemoError(f"The export's status is {results['status']}.")
    wanted = set(http.get(f"{graph}/_tenant/ids").raise_for_status().text.split())
    with (out / "users.csv").open(encoding="utf-8-sig", newline="") as file:
        differing = differences(wanted, (row["objectId"] for row in csv.DictReader(file)))
    if differing:
        raise DemoError(
            f"The file does not match the tenant's {len(wanted):,} users: {len(differing.missing):,} missing,"
            f" {len(differing.doubled):,} more than once, {len(differing.strange):,} that the tenant does not have."
        )
    print(f"Checked: each of the tenant's {len(wanted):,} users is in the file exactly once.")


def _first_rows(out: Path) -> None:
    """A few cells of the first rows, as a table."""
    with (out / "users.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [dict(zip(COLUMNS, COLUMNS, strict=True)), *itertools.islice(csv.DictReader(file), ROWS)]
    cut = [[_cut(row[name]) for name in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for cells in cut:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
