"""One line that says what is measured now: drawn over and over on a terminal, line by line elsewhere."""

import sys
import time
from dataclasses import dataclass, field

WIDTH = 24


@dataclass(slots=True)
class Progress:
    """Told of each step as it begins."""

    total: int
    done: int = 0
    part: str = ""
    started: float = field(default_factory=time.monotonic)

    def step(self, text: str) -> None:
        self._draw(f"{self.part}: {text}")
        self.done += 1

    def end(self) -> None:
        self._draw("done")
        if sys.stderr.isatty():
            print(file=sys.stderr)

    def _draw(self, text: str) -> None:
        bar = "#" * round(WIDTH * min(1.0, self.done / max(self.total, 1)))
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        line = f"[{bar:.<{WIDTH}}] {self.done:3}/{self.total} {minutes:2}:{seconds:02}  {text}"
        terminal = sys.stderr.isatty()
        print(f"\r\x1b[K{line}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)
