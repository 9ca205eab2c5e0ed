"""Waiting for what another process does."""

import time
from collections.abc import Callable
from typing import Any

SECONDS = 60.0
"""So long that only what never comes fails, on a busy machine too."""
LOOK, LONGEST_LOOK = 0.02, 0.5


def wait(condition: Callable[[], Any], what: Callable[[], str] | str, seconds: float = SECONDS) -> Any:
    """What the condition returns, once that is something. `what`: was waited for in vain.

    It looks less often the longer it waits: each look takes CPU away from what is waited for.
    """
    began = time.monotonic()
    while not (found := condition()):
        waited = time.monotonic() - began
        assert waited < seconds, f"waited in vain: {what if isinstance(what, str) else what()}"
        time.sleep(min(max(LOOK, waited / 8), LONGEST_LOOK))
    return found
