"""The app for rounds of comparisons: few users make a partition, so that a small comparison has many activities."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import function_app
from shared.compare import prepare
from shared.compare.messages import PrepareTask
from shared.export.messages import received, sent

PART_ROWS = 60
PREPARE = "prepare_comparison"


@dataclass(frozen=True, slots=True)
class SmallParts:
    """The product's functions, one of them changed."""

    functions: list[Any]

    def get_functions(self) -> list[Any]:
        return self.functions


async def _prepare(task: Any) -> Any:
    return sent(await prepare.prepare(function_app._edges(), received(task, PrepareTask), PART_ROWS))


def _changed(function: Any) -> Any:
    if function.get_function_name() != PREPARE:
        return function
    return SimpleNamespace(
        get_function_name=lambda: PREPARE,
        get_bindings_dict=function.get_bindings_dict,
        get_user_function=lambda: _prepare,
    )


app = SmallParts([_changed(each) for each in function_app.app.get_functions()])
