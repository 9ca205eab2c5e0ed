"""`python -m local.tenant --users 20000 --port 8001`: serves a simulated tenant until it is stopped."""

import argparse
import asyncio
import signal

from local import permissions
from local.processes import die_with_parent
from local.tenant.metadata import ABSENT
from local.tenant.populate import SHAPES
from local.tenant.server import serve
from local.tenant.tenant import Tenant


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.tenant", description=__doc__)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=0, help="0: a free port")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="normal")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="latency of each page and each batch")
    parser.add_argument("--units", type=float, help="resource units per 10 s (Graph: 3500, 5000 or 8000)")
    parser.add_argument("--method-limit", type=float, help="requests for authentication methods per 10 s (Graph: 5)")
    parser.add_argument(
        "--registered", type=float, default=1.0, help="share of users who may have more methods than a password"
    )
    parser.add_argument("--expand-page", type=int, help="most users of a page with $expand")
    parser.add_argument("--sign-in-limit", type=float, help="requests with signInActivity per minute (Graph: 10)")
    parser.add_argument(
        "--method-errors", type=float, default=0.0, help="share of users whose methods answer 403, 404 or 500"
    )
    parser.add_argument(
        "--permissions",
        type=permissions.parse,
        metavar="NAMES",
        help="permissions of tokens that name none, with commas between: application permissions, and keys of"
        " infra/graph-permissions.json (default: every one)",
    )
    parser.add_argument("--no-premium", action="store_true", help="a tenant without a P1 licence")
    parser.add_argument("--fractions", action="store_true", help="give creation times hidden milliseconds")
    parser.add_argument(
        "--batch-text", choices=("number", "base64"), default="number", help="how a count comes back within a batch"
    )
    parser.add_argument(
        "--cloud", choices=sorted(ABSENT), default="", help="leave out the properties that this cloud lacks"
    )
    parser.add_argument("--parent-pid", type=int, default=0, help="end when this parent of the process ends")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> None:
    if options.parent_pid:
        die_with_parent(options.parent_pid)
    tenant = Tenant(
        users=options.users,
        seed=options.seed,
        shape=options.shape,
        units=options.units,
        method_limit=options.method_limit,
        registered=options.registered,
        expand_page=options.expand_page,
        sign_in_limit=options.sign_in_limit,
        permissions=options.permissions,
        premium=not options.no_premium,
        method_errors=options.method_errors,
        fractions=options.fractions,
        batch_text=options.batch_text,
        cloud=options.cloud,
    )
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with serve(tenant, options.latency_ms / 1000, options.port) as url:
        print(f"tenant ready on {url}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(parse()))
