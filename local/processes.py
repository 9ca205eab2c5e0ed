"""Small things that every process here needs: ports, and not outliving its parent."""

import asyncio
import ctypes
import os
import signal
import socket
import sys
import threading
import time

from aiohttp import web

PR_SET_PDEATHSIG = 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def die_with_parent(parent: int) -> None:
    """End this process when `parent` does, also when that is killed with -9.

    Linux sends the signal itself; elsewhere, and for a parent that was gone before this call, a thread looks.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)


async def serve_until_stopped(server: web.Application, fd: int, ready: str) -> None:
    """Serve on a socket that the parent listens on, print `ready`, and end in good order on SIGTERM."""
    # Like the Functions host, it unpacks no body.
    runner = web.AppRunner(server, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=fd)).start()
    print(ready, flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await runner.cleanup()
