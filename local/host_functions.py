"""The app's own functions, as `function_app.app` has them, and how each kind is called.

Inputs and outputs go through the conversions of the azure-functions package, so a function gets the very
objects that it gets in Azure.
"""

import asyncio
import importlib
import inspect
import json
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from azure.durable_functions.models.utils.df_serialization import df_dumps, df_loads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Binding:
    """A binding as function.json has it: `settings` has its type, name, route and so on."""

    type: str
    name: str
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function; `clients` are the names of its durable client parameters."""

    name: str
    call: Callable[..., Any]
    trigger: Binding
    clients: tuple[str, ...]
    wants_context: bool


@dataclass(frozen=True, slots=True)
class Invocation:
    """What a function sees in its `context` parameter."""

    function_name: str
    function_directory: str
    invocation_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace_context: None = None
    retry_context: None = None


@dataclass(frozen=True, slots=True)
class App:
    """The functions by kind. Activities and orchestrators are named as orchestrations call them."""

    directory: Path
    http: tuple[Function, ...]
    timers: tuple[Function, ...]
    activities: dict[str, Function]
    orchestrators: dict[str, Function]

    def setting(self, *path: str, default: T) -> T:
        """A value of host.json, such as ("extensions", "http", "routePrefix")."""
        file = self.directory / "host.json"
        value: Any = json.loads(file.read_text()) if file.exists() else {}
        for part in path:
            value = value.get(part, {}) if isinstance(value, dict) else {}
        return value if isinstance(value, type(default)) else default


def load(target: str) -> App:
    """Import `module:attribute` and index its functions, as the Functions host does at start."""
    module_name, _, attribute = target.partition(":")
    # The app's folder is the folder that the command runs in, as it is for `func start`.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module = importlib.import_module(module_name)
    found = [_describe(each) for each in getattr(module, attribute or "app").get_functions()]

    def of(kind: str) -> tuple[Function, ...]:
        return tuple(each for each in found if each.trigger.type == kind)

    def named(kind: str, key: str) -> dict[str, Function]:
        return {each.trigger.settings.get(key) or each.name: each for each in of(kind)}

    return App(
        directory=Path(module.__file__ or "").resolve().parent,
        http=of("httpTrigger"),
        timers=of("timerTrigger"),
        activities=named("activityTrigger", "activity"),
        orchestrators=named("orchestrationTrigger", "orchestration"),
    )


def _describe(function: Any) -> Function:
    bindings = [Binding(each["type"], each["name"], each) for each in function.get_bindings_dict()["bindings"]]
    trigger = next(each for each in bindings if each.type.lower().endswith("trigger"))
    call = function.get_user_function()
    names = {each.name for each in bindings}
    parameters = inspect.signature(call).parameters
    return Function(
        name=function.get_function_name(),
        call=call,
        trigger=trigger,
        clients=tuple(each.name for each in bindings if each.type == "durableClient"),
        wants_context="context" in parameters and "context" not in names,
    )


async def call(function: Function, arguments: dict[str, Any], threads: Executor, directory: Path) -> Any:
    """Call the function: on the loop when it is async, in a thread when not, as the Python worker does."""
    if function.wants_context:
        arguments = arguments | {"context": Invocation(function.name, str(directory))}
    if inspect.iscoroutinefunction(function.call):
        return await function.call(**arguments)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, lambda: function.call(**arguments))


async def call_activity(function: Function, text: str | None, threads: Executor, directory: Path) -> str:
    """Run an activity on the JSON text that the orchestrator passed; JSON text comes back."""
    value = None if text is None else df_loads(text)
    return str(df_dumps(await call(function, {function.trigger.name: value}, threads, directory)))
