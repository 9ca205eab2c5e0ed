"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0
"""So long that only what never comes fails, on a busy machine too."""
LOOK = 0.02


def wait(condition: Callable[[], Any], what: Callable[[], str] | str, seconds: float = SECONDS) -> Any:
    """What the condition returns, once that is something. `what`: was waited for in vain."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what if isinstance(what, str) else what()}"
        time.sleep(LOOK)
    return found
