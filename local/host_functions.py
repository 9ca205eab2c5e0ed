"""What a function app has registered, and how its functions are called: the Python worker's stand-in.

Functions get their parameters by name: the trigger's value, and for each durable client input the text that the
app's middleware turns into a client. Values are made by the same code that the Python worker uses, so that a
function sees the same objects that it gets in Azure. All functions are async, apart from orchestrators.
"""

import importlib
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from azure.durable_functions.models.utils.df_serialization import df_dumps, df_loads

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function. `trigger` is its trigger's binding as function.json has it: type, name, route and so on;
    `clients` are the names of its durable client parameters.
    """

    name: str
    call: Callable[..., Any]
    trigger: dict[str, Any]
    clients: tuple[str, ...]


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
        for name in path:
            value = value.get(name, {}) if isinstance(value, dict) else {}
        return value if isinstance(value, type(default)) else default


def load(target: str) -> App:
    """Import `module:attribute` and index its functions."""
    module_name, _, attribute = target.partition(":")
    # The app's folder is the folder that the command runs in, as it is for `func start`.
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    module = importlib.import_module(module_name)
    return index(getattr(module, attribute or "app"), Path(module.__file__ or "").resolve().parent)


def index(app: Any, directory: Path) -> App:
    """What the app has registered, as the Functions host asks for it at start. `directory` has its host.json."""
    functions = [_describe(each) for each in app.get_functions()]

    def of(kind: str) -> tuple[Function, ...]:
        return tuple(each for each in functions if each.trigger["type"] == kind)

    def named(kind: str, key: str) -> dict[str, Function]:
        return {each.trigger.get(key) or each.name: each for each in of(kind)}

    return App(
        directory=directory,
        http=of("httpTrigger"),
        timers=of("timerTrigger"),
        activities=named("activityTrigger", "activity"),
        orchestrators=named("orchestrationTrigger", "orchestration"),
    )


def _describe(function: Any) -> Function:
    bindings = function.get_bindings_dict()["bindings"]
    trigger = next(each for each in bindings if each["type"].endswith("Trigger"))
    name, call = function.get_function_name(), function.get_user_function()
    if trigger["type"] != "orchestrationTrigger" and not inspect.iscoroutinefunction(call):
        raise TypeError(f"The function {name} must be async: it would hold up all the others here.")
    return Function(name, call, trigger, tuple(each["name"] for each in bindings if each["type"] == "durableClient"))


async def call_activity(function: Function, text: str | None) -> str:
    """Run an activity on the JSON text that the orchestrator passed; JSON text comes back."""
    value = None if text is None else df_loads(text)
    return str(df_dumps(await function.call(**{function.trigger["name"]: value})))
