"""Everything on one machine: Azurite, the simulated tenant, the host and its workers. The command `serve`.

It starts the processes, waits until they answer, prints one line, and starts again what dies. All state is in one
folder: after a `kill -9` of anything, or of everything, the same command goes on where it was.
"""

import argparse
import errno
import fcntl
import functools
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from local import azurite, children, easy_auth, identity
from local.children import Child
from local.durable_store import connect
from local.extension import Extension
from local.processes import free_port
from local.serve import LOOK_SECONDS, PAGE, READY_SECONDS, ServeError, Serving, describe

PORT_SECONDS = 5.0


class _Stopped(Exception):
    """Ctrl-C or SIGTERM."""


@dataclass(frozen=True, slots=True)
class _Setup:
    """What all steps of the start work with. `environment`: of the processes, completed step by step."""

    options: argparse.Namespace
    data: Path
    environment: dict[str, str]
    children: list[Child]

    def add(self, name: str, start: Callable[[], subprocess.Popen[bytes]], output: Path | None = None) -> Child:
        child = Child(name, start, start(), output)
        self.children.append(child)
        return child

    def add_python(self, name: str, arguments: list[str], *sockets: int) -> Child:
        output = self.data / f"{name}.out"
        return self.add(name, lambda: children.python(arguments, self.environment, output, sockets), output)


def run(options: argparse.Namespace) -> None:
    """Run until Ctrl-C, SIGTERM, or the end of the parent that `--parent-pid` names."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    if variable := easy_auth.says_azure(os.environ, options.graph):
        raise ServeError(easy_auth.IN_AZURE.format(variable))
    for file in (options.durable_host, options.host_json) if options.durable_host is not None else ():
        if not Path(file).is_file():
            raise ServeError(f"The file {Path(file).resolve()} does not exist.")
    data = Path(options.data).resolve()
    data.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ) | easy_auth.ON | {"PYTHONUNBUFFERED": "1"}
    environment.pop(easy_auth.OTHERS_SET, None)
    try:
        with ExitStack() as stack:
            stack.enter_context(_only_user(data))
            _serve(_Setup(options, data, environment, []), stack)
    except _Stopped:
        pass


def _stop(*_: object) -> None:
    raise _Stopped


@contextmanager
def _only_user(data: Path) -> Iterator[None]:
    """Two hosts on one folder would take each other's work for that of the dead."""
    with (data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServeError(f"{data} is in use by another `python -m local serve`.") from None
        yield


def _serve(setup: _Setup, stack: ExitStack) -> None:
    options, environment = setup.options, setup.environment
    stack.callback(children.end, setup.children)
    # It listens before anything is started: all processes know the address, and no caller is refused while the host is
    # started again.
    listener = stack.enter_context(_listener(options.port))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with closing(connect(setup.data / "durable.db")) as db:
        # Nobody else is here: the owners of work are dead.
        db.execute("DELETE FROM workers")

    _say("starting: storage")
    emulator, storage = _start_storage(setup)
    if not options.graph:
        _say(f"starting: a simulated tenant of {options.users:,} users")
    graph = options.graph or _start_tenant(setup)
    environment["GRAPH_ENDPOINT"] = graph
    if identity.is_loopback(graph):
        environment |= identity.environment(base, secrets.token_urlsafe(24), options.permissions)

    _say("starting: the app")
    _start_app(setup, listener, stack, emulator)
    serving = Serving(base, graph, storage, setup.data)

    def describe_all() -> None:
        pids = {child.name: child.process.pid for child in setup.children}
        describe(replace(serving, pids={"serve": os.getpid()} | pids))

    describe_all()
    tenant = f"Microsoft Graph at {graph}" if options.graph else f"a simulated tenant of {options.users:,} users"
    _say(f"ready on {base} (page: {base}{PAGE})")
    _say(f"It exports {tenant}, and keeps its state in {setup.data}. Ctrl-C ends it; the same command goes on.")
    children.supervise(setup.children, describe_all)


def _say(text: str) -> None:
    print(text, flush=True)


def _listener(port: int) -> socket.socket:
    try:
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        text = f"Port {port} is in use: end the program that listens there, or choose another port with --port."
        raise ServeError(text) from None
    listener.set_inheritable(True)
    return listener


def _start_storage(setup: _Setup) -> tuple[str, str]:
    """Starts Azurite where it is needed. Returns its connection string, for the extension's hub, and the storage of
    the files; empty when there is none. The hub must never be in a real storage account.
    """
    extension, emulator = setup.options.durable_host is not None, ""
    storage = os.environ.get("EXPORT_STORAGE", "")
    own = not storage and "EXPORT_STORAGE__blobServiceUri" not in os.environ
    if extension or own:
        emulator = _start_azurite(setup, azurite.ALL if extension else azurite.BLOB)
    if own:
        storage = setup.environment["EXPORT_STORAGE"] = emulator
    if storage:
        setup.environment.setdefault("AzureWebJobsStorage", storage)
    return emulator, storage


def _start_azurite(setup: _Setup, services: tuple[str, ...]) -> str:
    """The ports are kept for restarts of Azurite alone; a new `serve` may get others."""
    try:
        started = azurite.start(setup.data, services=services)
    except azurite.AzuriteError as error:
        raise ServeError(str(error)) from error
    again = functools.partial(azurite.start, setup.data, ports=started.ports)
    setup.children.append(Child("azurite", lambda: again().process, started.process))
    return started.connection_string


def _start_tenant(setup: _Setup) -> str:
    """The address is that of the last `serve` on this folder: an export that goes on has links to it."""
    port = _port_kept_in(setup.data / "tenant.port")
    arguments = ["-m", "local.tenant", "--port", str(port), "--parent-pid", str(os.getpid())]
    for name in ("users", "seed", "latency_ms", "shape"):
        if (value := getattr(setup.options, name)) is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    children.wait_for(setup.add_python("tenant", arguments), "tenant ready")
    return f"http://127.0.0.1:{port}"


def _port_kept_in(file: Path) -> int:
    """The same as last time, unless someone else has it: the last one's tenant ends within a second."""
    deadline = time.monotonic() + PORT_SECONDS
    while file.exists() and time.monotonic() < deadline:
        port = int(file.read_text())
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
        time.sleep(LOOK_SECONDS)
    port = free_port()
    file.write_text(str(port))
    return port


def _start_app(setup: _Setup, listener: socket.socket, stack: ExitStack, emulator: str) -> None:
    """The host, the workers and, where one is asked for, Microsoft's extension."""
    options, extension = setup.options, setup.options.durable_host is not None
    common = ["--app", options.app, "--data", str(setup.data), "--parent-pid", str(os.getpid())]
    host = ["-m", "local", "host", "--fd", str(listener.fileno()), *common] + ["--extension"] * extension
    started = setup.add_python("host", host, listener.fileno())
    work = ["-m", "local", "worker", "--concurrency", str(options.concurrency), "--lease", str(options.lease), *common]
    # The workers' own: a call waits here while one is started again.
    calls = stack.enter_context(_listener(0)) if extension else None
    sockets = [calls.fileno()] if calls else []
    work += [text for number in sockets for text in ("--fd", str(number))]
    workers = [setup.add_python(f"worker-{number}", work, *sockets) for number in range(options.workers)]
    children.wait_for(started, "host ready")
    if calls:
        _start_extension(setup, calls.getsockname()[1], emulator)
    for worker in workers:
        children.wait_for(worker, "worker ready")


def _start_extension(setup: _Setup, port: int, storage: str) -> None:
    """Start the hosts of Microsoft's extension, and wait for the client binding of each."""
    options, data = setup.options, setup.data
    program, settings = Path(options.durable_host).resolve(), Path(options.host_json).resolve()
    hosts = Extension(program, f"http://127.0.0.1:{port}", storage, settings, data, options.durable_hosts)
    for old in data.glob("durable-client-*.json"):
        old.unlink()
    started = [
        setup.add(f"durable-host-{number}", functools.partial(hosts.start, number, setup.environment))
        for number in range(options.durable_hosts)
    ]
    deadline = time.monotonic() + READY_SECONDS
    for number, child in enumerate(started):
        while not hosts.client(number).exists():
            if child.process.poll() is not None or time.monotonic() > deadline:
                log = (data / f"durable-host-{number}.log").read_text(errors="replace")
                raise ServeError(f"Microsoft's Durable extension did not start. Its last lines:\n{log[-2000:]}")
            time.sleep(LOOK_SECONDS)
