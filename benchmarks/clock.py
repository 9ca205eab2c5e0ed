"""What a measured program says of itself: one line of JSON with seconds and CPU seconds, without its own start, and its
peak memory in bytes.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.processes import usage


@contextmanager
def timed(found: dict[str, Any]) -> Iterator[None]:
    """Adds `seconds`, `cpu` and `rss` of the block to `found`, and prints it."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    found |= {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    found["rss"] = usage(os.getpid()).rss
    print(json.dumps(found), flush=True)
