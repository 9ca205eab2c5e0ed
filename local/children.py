"""The processes under `serve`: how they are started, waited for, started again when they end, and ended."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.azurite import AzuriteError
from local.serve import LOOK_SECONDS, READY_SECONDS, ServeError

SUPERVISE_SECONDS = 0.1
RESTART_SECONDS = 0.5
END_SECONDS = 5.0


@dataclass(slots=True)
class Child:
    """A process that is started again when it ends. `output`: the file that has what it prints, if any has."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    output: Path | None = None
    failed_at: float = 0.0


def python(
    arguments: Sequence[str], environment: Mapping[str, str], output: Path, sockets: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start Python with these arguments. What it prints must never fill a pipe that nobody reads.

    It gets a session of its own, so that Ctrl-C reaches this process only, which then ends all others in order.
    """
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            pass_fds=sockets,
            start_new_session=True,
        )


def wait_for(child: Child, ready: str) -> None:
    """Returns when the child has printed `ready`. Raises ServeError when it ends first."""
    deadline = time.monotonic() + READY_SECONDS
    while child.output and time.monotonic() < deadline:
        ended = child.process.poll() is not None
        text = child.output.read_text(errors="replace")
        if ready in text:
            return
        if ended:
            raise ServeError(f"{child.name} ended with code {child.process.returncode} while starting: {text}")
        time.sleep(LOOK_SECONDS)
    raise ServeError(f"{child.name} was not ready within {READY_SECONDS:.0f} seconds.")


def supervise(children: Sequence[Child], describe: Callable[[], None]) -> None:
    """Start again what has ended, and `describe` all anew; not in a tight loop when one ends again and again."""
    while True:
        time.sleep(SUPERVISE_SECONDS)
        for child in children:
            if child.process.poll() is None or time.monotonic() - child.failed_at < RESTART_SECONDS:
                continue
            code = child.process.returncode
            print(f"{child.name} ended with code {code}; starting it again", file=sys.stderr, flush=True)
            child.failed_at = time.monotonic()
            try:
                child.process = child.start()
            except AzuriteError as error:
                print(f"{child.name}: {error}", file=sys.stderr, flush=True)
            describe()


def end(children: Sequence[Child]) -> None:
    """Those that write first, then what they write to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for child in reversed(children):
        child.process.terminate()
    deadline = time.monotonic() + END_SECONDS
    for child in reversed(children):
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
