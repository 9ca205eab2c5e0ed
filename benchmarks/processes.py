"""Programs as processes of their own, and what processes have cost."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")


class ProgramError(Exception):
    """A measured program failed; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended: seconds and CPU seconds (user and system) of the whole process.

    `said` is its last line, JSON: what it measured itself, without its own start. Peak memory is there as well: what
    wait4 tells begins with that of the process which started it.
    """

    wall: float
    cpu: float
    said: dict[str, Any]
    errors: str

    @property
    def rss(self) -> int:
        """Peak memory in bytes."""
        return int(self.said["rss"])


@dataclass(frozen=True, slots=True)
class Usage:
    """A running process until now: CPU seconds, and peak memory in bytes."""

    cpu: float
    rss: int


def module(name: str, *arguments: str, flags: Sequence[str] = (), environment: dict[str, str] | None = None) -> Ended:
    """Run `python -m NAME ARGUMENTS...` to its end."""
    return program([sys.executable, *flags, "-m", name, *arguments], environment)


def program(command: Sequence[str], environment: dict[str, str] | None = None) -> Ended:
    """Run a command to its end. Raises ProgramError when it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=errors, env=dict(os.environ) | (environment or {})
        )
        try:
            # Only wait4 tells what this one child has cost.
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        said, complaints = out.read().decode().splitlines(), errors.read().decode(errors="replace")
    if process.returncode:
        raise ProgramError(f"{' '.join(command[:4])} ended with {process.returncode}: {complaints[-2000:]}")
    return Ended(wall, used.ru_utime + used.ru_stime, json.loads(said[-1]) if said else {}, complaints)


def usage(pid: int) -> Usage:
    """Needs Linux's /proc."""
    folder = Path("/proc") / str(pid)
    # The name, in parentheses, may have spaces; utime and stime are the 14th and 15th field.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    peak = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS, int(peak.split()[1]) * 1024)


def usages(pids: dict[str, int]) -> dict[str, Usage]:
    return {name: usage(pid) for name, pid in pids.items()}
