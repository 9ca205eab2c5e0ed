"""Everything on one machine: Azurite, the simulated tenant, the host and its workers.

`serve` starts the processes, waits until they answer, prints one line, and starts again what dies. All
state is in one folder: after a `kill -9` of anything, or of everything, the same command goes on where it
was. `launch` is for programs: it runs `python -m local serve` and says where to find it.
"""

import argparse
import errno
import fcntl
import functools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from local import azurite, easy_auth, identity
from local.durable_store import connect
from local.extension import Extension
from local.processes import die_with_parent, free_port

READY_SECONDS = 120.0
LOOK_SECONDS = 0.1
RESTART_SECONDS = 0.5
PORT_SECONDS = 5.0
PAGE = "/api/bulk-operations"


class ServeError(Exception):
    """Something did not start; the message says what, and what to do."""


class _Stopped(Exception):
    """Ctrl-C or SIGTERM."""


@dataclass(slots=True)
class Child:
    """A process that is started again when it ends."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes]
    failed_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A running `serve`: its address, Graph's, the storage that it uses and the folder with its state."""

    url: str
    graph: str
    storage: str
    data: Path
    pids: dict[str, int] = field(default_factory=dict)


def serve(options: argparse.Namespace) -> None:
    """Run until Ctrl-C, SIGTERM, or the end of the parent that `--parent-pid` names."""
    if options.parent_pid:
        die_with_parent(options.parent_pid)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    if variable := easy_auth.says_azure(os.environ, options.graph):
        raise ServeError(easy_auth.IN_AZURE.format(variable))
    data = Path(options.data).resolve()
    data.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            stack.enter_context(_only_user(data))
            _serve(options, data, stack)
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


def _serve(options: argparse.Namespace, data: Path, stack: ExitStack) -> None:
    children: list[Child] = []
    stack.callback(_end, children)
    # Listening here, before anything else is started, makes the address known to all; and the host can
    # die and come back without a caller being refused.
    listener = stack.enter_context(_listener(options.port))
    listener.set_inheritable(True)
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with connect(data / "durable.db") as db:
        # Nobody else is here: the owners of work are dead.
        db.execute("DELETE FROM workers")
    db.close()

    extension = options.durable_host is not None
    environment = dict(os.environ) | easy_auth.ON | {"PYTHONUNBUFFERED": "1"}
    environment.pop(easy_auth.OTHERS_SET, None)
    storage = os.environ.get("EXPORT_STORAGE", "")
    # The extension's hub is always here: it must never be one of a real storage account.
    emulator = ""
    _say("starting: storage")
    if extension or (not storage and "EXPORT_STORAGE__blobServiceUri" not in os.environ):
        emulator = _start_azurite(children, data, azurite.ALL if extension else azurite.BLOB)
    if not storage and "EXPORT_STORAGE__blobServiceUri" not in os.environ:
        storage = environment["EXPORT_STORAGE"] = emulator
    if storage:
        environment.setdefault("AzureWebJobsStorage", storage)
    if not options.graph:
        _say(f"starting: a simulated tenant of {options.users:,} users")
    graph = options.graph or _start_tenant(children, options, environment, data)
    environment["GRAPH_ENDPOINT"] = graph
    if identity.is_loopback(graph):
        environment |= identity.environment(base, secrets.token_urlsafe(24), options.permissions)

    _say("starting: the app")
    common = ["--app", options.app, "--data", str(data), "--parent-pid", str(os.getpid())]
    host = ["host", "--fd", str(listener.fileno()), *common] + ["--extension"] * extension
    _add(children, "host", _python(host, environment, (listener.fileno(),)), "host ready")
    work = ["worker", "--concurrency", str(options.concurrency), "--lease", str(options.lease), *common]
    calls = None
    if extension:
        # The workers' own: a call waits here while one is started again.
        calls = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        calls.set_inheritable(True)
        work += ["--fd", str(calls.fileno())]
    for number in range(options.workers):
        _add(children, f"worker-{number}", _python(work, environment, (calls.fileno(),) if calls else ()))
    if calls:
        _start_extension(children, options, environment, data, calls.getsockname()[1], emulator)
    for child in children:
        if child.name.startswith("worker"):
            _wait_for_line(child, "worker ready")

    _describe(Serving(base, graph, storage, data), children)
    tenant = f"Microsoft Graph at {graph}" if options.graph else f"a simulated tenant of {options.users:,} users"
    _say(f"ready on {base} (page: {base}{PAGE})")
    _say(f"It exports {tenant}, and keeps its state in {data}. Ctrl-C ends it; the same command goes on.")
    _supervise(children, Serving(base, graph, storage, data))


def _say(text: str) -> None:
    print(text, flush=True)


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=512)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        text = f"Port {port} is in use: end the program that listens there, or choose another port with --port."
        raise ServeError(text) from None


def _start_azurite(children: list[Child], data: Path, services: tuple[str, ...]) -> str:
    """The ports are kept for restarts of Azurite alone; a new `serve` may get others."""
    try:
        started = azurite.start(data, services=services)
    except azurite.AzuriteError as error:
        raise ServeError(str(error)) from error
    children.append(Child("azurite", lambda: azurite.start(data, ports=started.ports).process, started.process))
    return started.connection_string


def _start_extension(
    children: list[Child],
    options: argparse.Namespace,
    environment: dict[str, str],
    data: Path,
    port: int,
    storage: str,
) -> None:
    """Start the hosts of Microsoft's extension, and wait for the client binding of each."""
    program, settings = Path(options.durable_host).resolve(), Path(options.host_json).resolve()
    for file in (program, settings):
        if not file.is_file():
            raise ServeError(f"The file {file} does not exist.")
    hosts = Extension(program, f"http://127.0.0.1:{port}", storage, settings, data, options.durable_hosts)
    for old in data.glob("durable-client-*.json"):
        old.unlink()
    for number in range(hosts.hosts):
        start = functools.partial(hosts.start, number, environment)
        children.append(Child(f"durable-host-{number}", start, start()))
    deadline = time.monotonic() + READY_SECONDS
    for number in range(hosts.hosts):
        while not hosts.client(number).exists():
            if children[number - hosts.hosts].process.poll() is not None or time.monotonic() > deadline:
                log = (data / f"durable-host-{number}.log").read_text(errors="replace")
                raise ServeError(f"Microsoft's Durable extension did not start. Its last lines:\n{log[-2000:]}")
            time.sleep(LOOK_SECONDS)


def _start_tenant(children: list[Child], options: argparse.Namespace, environment: dict[str, str], data: Path) -> str:
    """The address is that of the last `serve` on this folder: an export that goes on has links to it."""
    port = _port_kept_in(data / "tenant.port")
    command = ["-m", "local.tenant", "--port", str(port), "--parent-pid", str(os.getpid())]
    for name in ("users", "seed", "latency_ms", "shape"):
        if (value := getattr(options, name)) is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]

    def start() -> subprocess.Popen[bytes]:
        return _popen([sys.executable, *command], environment, ())

    _add(children, "tenant", start, "tenant ready")
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


def _python(
    command: list[str], environment: dict[str, str], files: tuple[int, ...] = ()
) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: _popen([sys.executable, "-m", "local", *command], environment, files)


def _popen(command: list[str], environment: dict[str, str], files: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """Its output goes to a file: what a process prints must never fill a pipe that nobody reads.

    It gets a session of its own, so that Ctrl-C reaches this process only, which then ends all in order.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            pass_fds=files,
            start_new_session=True,
        )
        process.stdout = os.fdopen(os.dup(output.fileno()), "rb")
    return process


def _add(children: list[Child], name: str, start: Callable[[], subprocess.Popen[bytes]], ready: str = "") -> None:
    child = Child(name, start, start())
    children.append(child)
    if ready:
        _wait_for_line(child, ready)


def _wait_for_line(child: Child, ready: str) -> None:
    output: IO[bytes] | None = child.process.stdout
    deadline = time.monotonic() + READY_SECONDS
    while output is not None and time.monotonic() < deadline:
        text = os.pread(output.fileno(), 100_000, 0).decode(errors="replace")
        if ready in text:
            return
        if child.process.poll() is not None:
            raise ServeError(f"{child.name} ended with code {child.process.returncode} while starting: {text}")
        time.sleep(0.02)
    raise ServeError(f"{child.name} was not ready within {READY_SECONDS:.0f} seconds.")


def _supervise(children: list[Child], serving: Serving) -> None:
    """Start again what has ended; not in a tight loop when it ends at once, again and again."""
    while True:
        time.sleep(LOOK_SECONDS)
        for child in children:
            if child.process.poll() is None:
                continue
            if time.monotonic() - child.failed_at < RESTART_SECONDS:
                continue
            code = child.process.returncode
            print(f"{child.name} ended with code {code}; starting it again", file=sys.stderr, flush=True)
            child.failed_at = time.monotonic()
            _close_output(child)
            try:
                child.process = child.start()
            except azurite.AzuriteError as error:
                print(f"{child.name}: {error}", file=sys.stderr, flush=True)
            _describe(serving, children)


def _describe(serving: Serving, children: list[Child]) -> None:
    """serve.json tells other programs where everything is; replaced as a whole, so it is never half there."""
    text = json.dumps(
        {
            "pid": os.getpid(),
            "url": serving.url,
            "graph": serving.graph,
            "storage": serving.storage,
            "pids": {child.name: child.process.pid for child in children},
        }
    )
    new = serving.data / "serve.json.new"
    new.write_text(text)
    new.replace(serving.data / "serve.json")


def _close_output(child: Child) -> None:
    if child.process.stdout:
        child.process.stdout.close()


def _end(children: list[Child]) -> None:
    """Those that write first, then what they write to."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for child in reversed(children):
        child.process.terminate()
    deadline = time.monotonic() + 5
    for child in reversed(children):
        try:
            child.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        _close_output(child)


@contextmanager
def launch(
    data: Path,
    *arguments: str,
    environment: dict[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> Iterator[Serving]:
    """Run `python -m local serve --data DATA --port 0 ARGUMENTS...`; ends it, and all of it, at the end.

    `say` is given each line that says what is being started.
    """
    data.mkdir(parents=True, exist_ok=True)
    (data / "serve.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "local", "serve", "--data", str(data), "--port", "0"]
    command += ["--parent-pid", str(os.getpid()), *arguments]
    with (data / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=dict(os.environ) | (environment or {}), start_new_session=True
        )
    try:
        yield _wait_until_serving(process, data, say)
    finally:
        process.terminate()
        process.wait()


def look(data: Path) -> Serving:
    """Where the `serve` on this folder is now, with the process ids of its children."""
    found = json.loads((data / "serve.json").read_text())
    return Serving(found["url"], found["graph"], found["storage"], data, {"serve": found["pid"]} | found["pids"])


def _wait_until_serving(
    process: subprocess.Popen[bytes], data: Path, say: Callable[[str], None] | None = None
) -> Serving:
    deadline = time.monotonic() + READY_SECONDS
    with (data / "serve.log").open(errors="replace") as log:
        while time.monotonic() < deadline:
            for line in log:
                if say and line.startswith("starting"):
                    say(line.rstrip())
            if (data / "serve.json").exists():
                return look(data)
            if process.poll() is not None:
                raise ServeError((data / "serve.log").read_text(errors="replace")[-3000:])
            time.sleep(0.02)
    raise ServeError(f"`python -m local serve` was not ready within {READY_SECONDS:.0f} seconds.")
