"""`python -m local serve|demo|chaos`: everything on one machine. `host` and `worker` are started by `serve`."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from local import permissions
from local.chaos.kinds import KINDS
from local.processes import die_with_parent
from local.tenant.populate import SHAPES


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="run the API and the page, with storage and a tenant")
    _tenant(serve, users=1000)
    serve.add_argument("--graph", help="the address of another Microsoft Graph, instead of the simulated tenant")
    serve.add_argument("--port", type=int, default=7071, help="the port of the API; 0: a free one (default: 7071)")
    serve.add_argument("--data", default=".local", help="the folder with all state (default: .local)")
    serve.add_argument("--parent-pid", type=int, default=0, help="end when this process ends")
    _work(serve)

    demo = commands.add_parser("demo", help="export a simulated tenant, and check the file")
    _tenant(demo, users=20_000)
    demo.add_argument("--out", default="demo", help="the folder for the files (default: demo)")
    _work(demo)

    chaos = commands.add_parser("chaos", help="kill processes at random moments of exports, and judge what comes out")
    chaos.add_argument("--rounds", type=int, default=39, help="number of rounds (default: 39, three of each kind)")
    chaos.add_argument(
        "--seed", type=int, default=1, help="the seed of the first round; each round adds one (default: 1)"
    )
    chaos.add_argument("--only", choices=KINDS, help="play only rounds of this kind")
    chaos.add_argument("--durable-host", metavar="PATH", help="use Microsoft's extension: start this program twice")
    chaos.add_argument("--write", metavar="FILE", help="put the table between the markers of this file")

    for name in ("host", "worker"):
        child = commands.add_parser(name, help=f"one {name} process, as `serve` starts it")
        child.add_argument("--app", default="function_app:app")
        child.add_argument("--data", default=".local")
        child.add_argument("--parent-pid", type=int, default=0)
    child.add_argument("--concurrency", type=int, default=0)
    child.add_argument("--lease", type=float, default=4.0)
    child.add_argument("--fd", type=int, help="a listening socket, for Microsoft's extension")
    commands.choices["host"].add_argument("--fd", type=int, required=True, help="a listening socket")
    commands.choices["host"].add_argument("--extension", action="store_true", help="Microsoft's extension is used")
    return root


def _tenant(command: argparse.ArgumentParser, users: int) -> None:
    command.add_argument("--users", type=int, default=users, help=f"users in the simulated tenant (default: {users})")
    command.add_argument("--seed", type=int)
    command.add_argument("--latency-ms", type=float, help="of each of the tenant's answers")
    command.add_argument("--shape", choices=sorted(SHAPES), help="of the simulated tenant (default: normal)")
    command.add_argument(
        "--permissions",
        type=permissions.parse,
        default=frozenset(),
        metavar="NAMES",
        help="what the app's tokens may do in the simulated tenant, with commas between: application permissions, and"
        " keys of infra/graph-permissions.json (default: all that the deployment can grant)",
    )


def _work(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    command.add_argument(
        "--concurrency", type=int, default=0, help="activities in each worker (default: as in host.json, or 16)"
    )
    command.add_argument(
        "--lease", type=float, default=4.0, help="seconds until the work of a dead worker is given to another"
    )
    command.add_argument("--app", default="function_app:app", help="module:attribute of the function app")
    _engine(command)
    command.add_argument(
        "--host-json", default="host.json", help="settings for --durable-host (default: the app's host.json)"
    )


def _engine(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--durable-host", metavar="PATH", help="run orchestrations in Microsoft's extension: the program to start"
    )
    command.add_argument(
        "--durable-hosts", type=int, default=1, help="number of these programs, on one hub (default: 1)"
    )


def _run(process: Coroutine[Any, Any, None]) -> None:
    """Threads that still run don't hold the process up: their work goes to another."""
    asyncio.run(process)
    os._exit(0)


def main() -> int:
    options = parser().parse_args()
    logging.basicConfig(
        level=os.environ.get("LOCAL_LOG_LEVEL", "WARNING").upper(),
        format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s",
    )
    if getattr(options, "parent_pid", 0):
        die_with_parent(options.parent_pid)
    match options.command:
        case "host":
            from local import host

            _run(host.run(options))
        case "worker" if options.fd is not None:
            from local import extension_worker

            _run(extension_worker.run(options))
        case "worker":
            from local import worker

            _run(worker.run(options))
        case "demo":
            from local import demo

            # SIGTERM too leaves in good order: the temporary folder is removed.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            try:
                demo.demo(options)
            except KeyboardInterrupt:
                return 130
            except demo.DemoError as error:
                print(error, file=sys.stderr)
                return 1
        case "chaos":
            from local.chaos import rounds

            # SIGTERM too leaves in good order: `serve` is ended.
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            try:
                return 0 if rounds.chaos(options) else 1
            except KeyboardInterrupt:
                return 130
        case "serve":
            from local import everything, serve

            try:
                everything.run(options)
            except serve.ServeError as error:
                print(error, file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
