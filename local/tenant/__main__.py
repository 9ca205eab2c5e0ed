"""`python -m local.tenant --users 20000 --port 8001`: serves a simulated tenant until it is stopped."""

import argparse
import asyncio
import signal

from local.processes import die_with_parent
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
    parser.add_argument(
        "--registered", type=float, default=1.0, help="share of users who may have more methods than a password"
    )
    parser.add_argument("--expand-page", type=int, help="most users of a page with $expand")
    parser.add_argument("--parent-pid", type=int, default=0, help="end when this parent of the process ends")
    return parser.parse_args()


async def run(options: argparse.Namespace) -> None:
    if options.parent_pid:
        die_with_parent(options.parent_pid)
    tenant = Tenant(
        users=options.users,
        seed=options.seed,
        shape=options.shape,
        registered=options.registered,
        expand_page=options.expand_page,
    )
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with serve(tenant, options.latency_ms / 1000, options.port) as url:
        print(f"tenant ready on {url}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(parse()))
