"""Microsoft's own Durable extension in place of the local engine: `serve --durable-host PATH`.

The program at PATH is made from durable_host/: the very code that runs orchestrations in Azure, over the queues,
tables and blobs of the data folder's Azurite. It calls the app's functions by the protocol at the top of
durable_host/Program.cs, which extension_worker.py answers, and writes the durable client binding to a file.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "/durable"
READY_SECONDS = 60.0
CLONE_NEWUTS = 0x04000000


@dataclass(frozen=True, slots=True)
class Extension:
    """How the hosts are started. `app` is the address of extension_worker.py, `storage` a connection string."""

    program: Path
    app: str
    storage: str
    settings: Path
    data: Path
    hosts: int

    def client(self, number: int) -> Path:
        """The file with the binding of that host."""
        return self.data / f"durable-client-{number}.json"

    def start(self, number: int, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start host `number`. It is ready when its client file is there; that of a dead one goes first."""
        self.client(number).unlink(missing_ok=True)
        # Two hosts of one name are one instance to the extension: it would give them each other's leases.
        name = f"host-{number}" if self.hosts > 1 else "-"
        settings = {
            "APP": self.app + PREFIX,
            "HOST_JSON": str(self.settings),
            "AzureWebJobsStorage": self.storage,
            "CLIENT": str(self.client(number)),
        }
        with (self.data / f"durable-host-{number}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "local.extension", str(os.getpid()), name, str(self.program)],
                env={**environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


class NotReadyError(Exception):
    """No host has written its client binding yet, or the one that had has died."""


def written_binding(data: Path) -> str:
    """The durable client binding of a living host. Raises NotReadyError while there is none."""
    for file in sorted(data.glob("durable-client-*.json")):
        with suppress(FileNotFoundError):
            return file.read_text()
    raise NotReadyError


def _become(parent: int, name: str, program: str) -> None:
    """This process becomes the host, which ends with `parent` even when that is killed with -9."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG outlives exec
    if os.getppid() != parent:
        sys.exit("The parent has ended.")
    if name != "-":
        if libc.unshare(CLONE_NEWUTS):
            sys.exit(f"A host name of its own is refused here: {os.strerror(ctypes.get_errno())}.")
        socket.sethostname(name)
    os.execv(program, [program])  # noqa: S606


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2], sys.argv[3])
