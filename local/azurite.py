"""Starts the real Azurite, Microsoft's own emulator of Azure Storage, from local/node_modules.

The app needs blobs only. Microsoft's Durable extension needs queues and tables too: `services=ALL`.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import free_port

MAIN = Path(__file__).parent / "node_modules/azurite/dist/src"

BLOB = ("blob",)
ALL = ("blob", "queue", "table")

ACCOUNT = "devstoreaccount1"
# The development account's well-known key: the same in every emulator, and no secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

START_SECONDS = 30.0
ATTEMPTS = 3

WATCH = Path(__file__).parent / "azurite.mjs"


class AzuriteError(Exception):
    """Azurite is not installed, or did not start; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite: stop it and start another with the same port and folder, and the data is there."""

    process: subprocess.Popen[bytes]
    ports: dict[str, int]
    data: Path
    secure: bool

    @property
    def port(self) -> int:
        """Of the blob service."""
        return self.ports["blob"]

    @property
    def endpoint(self) -> str:
        return self._endpoint(self.port)

    def _endpoint(self, port: int) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        scheme = "https" if self.secure else "http"
        endpoints = (f"{name.title()}Endpoint={self._endpoint(port)};" for name, port in self.ports.items())
        return f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={KEY};{''.join(endpoints)}"

    @property
    def certificate(self) -> Path:
        """What a client must trust when it is `secure`."""
        return self.data / "authority.pem"

    def stop(self) -> None:
        """SIGTERM lets Azurite write its index; after that it may not be in time."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(
    data: Path,
    port: int = 0,
    secure: bool = False,
    services: tuple[str, ...] = BLOB,
    ports: dict[str, int] | None = None,
    forgetful: bool = False,
) -> Azurite:
    """Start it and wait until it answers. `secure`: https with a certificate of its own, and OAuth tokens.

    `port` is that of the blob service, 0 for a free one; `ports` are those of an Azurite to start again.
    `forgetful`: it may lose up to five seconds when it is killed, and needs half of the CPU.
    """
    node = shutil.which("node")
    if node is None:
        raise AzuriteError("Node.js is needed to run Azurite, and `node` was not found. Install Node.js 20 or newer.")
    if not MAIN.exists():
        raise AzuriteError(f"Azurite is not installed in {MAIN.parents[2]}. Run `make setup`.")
    data.mkdir(parents=True, exist_ok=True)
    extra = _certificate(data) if secure else []
    for attempt in range(ATTEMPTS):
        chosen = ports or {name: port if port and name == "blob" else free_port() for name in services}
        azurite = Azurite(_launch(node, chosen, data, extra, forgetful), chosen, data, secure)
        if _wait(azurite):
            return azurite
        azurite.stop()
        # Someone else may have taken the free port in between; a given one is waited for.
        time.sleep(0.2 * attempt)
    log = (data / "azurite.log").read_text(errors="replace")[-2000:]
    raise AzuriteError(f"Azurite did not start on the ports {chosen}. Its last lines:\n{log}")


@contextmanager
def running(data: Path, port: int = 0, secure: bool = False, forgetful: bool = False) -> Iterator[Azurite]:
    """`start`, and `stop` at the end."""
    azurite = start(data, port, secure, forgetful=forgetful)
    try:
        yield azurite
    finally:
        azurite.stop()


def _launch(node: str, ports: dict[str, int], data: Path, extra: list[str], forgetful: bool) -> subprocess.Popen[bytes]:
    main = MAIN / ("blob/main.js" if set(ports) == set(BLOB) else "azurite.js")
    flags = ["--location", str(data / "azurite")]
    for name, port in ports.items():
        flags += [f"--{name}Host", "127.0.0.1", f"--{name}Port", str(port)]
    flags += ["--silent", "--disableTelemetry", "--skipApiVersionCheck", *extra]
    own = {"AZURITE_FORGETFUL": "1"} if forgetful else {}
    with (data / "azurite.log").open("ab") as log:
        return subprocess.Popen(
            [node, "--import", str(WATCH), str(main), *flags],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **own, "AZURITE_MAIN": str(main), "AZURITE_PARENT": str(os.getpid())},
            start_new_session=True,  # Ctrl-C in the terminal is for the parent, which stops it in good order
        )


def _wait(azurite: Azurite) -> bool:
    """True once it answers anything; False when it has ended, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while azurite.process.poll() is None and time.monotonic() < deadline:
        if all(map(_listens, azurite.ports.values())):
            return True
        time.sleep(0.02)
    return False


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _certificate(data: Path) -> list[str]:
    """A certificate for this machine, made once; the flags that switch https and OAuth on."""
    import trustme  # Only tests have it.

    cert, key = data / "cert.pem", data / "key.pem"
    if not cert.exists():
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(data / "authority.pem"))
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(str(key))
        issued.cert_chain_pems[0].write_to_path(str(cert))
    return ["--cert", str(cert), "--key", str(key), "--oauth", "basic"]
