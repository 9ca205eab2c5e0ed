"""The simulated tenant alone, in a process of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.processes import ROOT, ProgramError

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Tenant:
    """Its address, such as http://127.0.0.1:40123, and its process."""

    url: str
    pid: int


@contextmanager
def running(users: int, latency_ms: float = 0, shape: str = "normal", *options: str) -> Iterator[Tenant]:
    """Starts it, and ends it at the end."""
    command = [sys.executable, "-m", "local.tenant", "--users", str(users), "--latency-ms", str(latency_ms)]
    command += ["--shape", shape, *options, "--parent-pid", str(os.getpid())]
    with TemporaryDirectory(prefix="benchmark-tenant-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
        try:
            yield Tenant(_wait(process, log), process.pid)
        finally:
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(errors="replace")
        if "tenant ready on " in text and text.endswith("\n"):
            return text.rpartition("tenant ready on ")[2].strip()
        time.sleep(0.05)
    raise ProgramError(f"The simulated tenant did not start: {log.read_text(errors='replace')[-2000:]}")
