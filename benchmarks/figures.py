"""What is computed from measurements: medians with their spread, ratios, exponents."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of the same: the middle one, and the lowest and highest."""

    median: float
    low: float
    high: float
    runs: int

    def scaled(self, factor: float) -> "Spread":
        return Spread(self.median * factor, self.low * factor, self.high * factor, self.runs)


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError when there are none."""
    if not values:
        raise ValueError("Nothing was measured.")
    return Spread(statistics.median(values), min(values), max(values), len(values))


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """`k` of `cost = c * size ** k`, as a straight line through the logarithms. 1: linear, 2: quadratic."""
    return statistics.linear_regression([math.log(each) for each in sizes], [math.log(each) for each in costs]).slope


def line(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Slope and constant of `cost = slope * size + constant`."""
    found = statistics.linear_regression(sizes, costs)
    return found.slope, found.intercept


def number(value: float) -> str:
    """Three significant digits: 0.0123, 1.23, 12.3, 123, 12,345."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def shown(found: Spread, unit: str = "") -> str:
    """`12.3 s (12.1 to 12.9, 3 runs)`"""
    text = f"{number(found.median)}{unit and ' ' + unit}"
    if found.runs == 1:
        return f"{text} (1 run)"
    return f"{text} ({number(found.low)} to {number(found.high)}, {found.runs} runs)"


def times(value: float) -> str:
    """`14.2x`, and with two digits below one: `0.12x`"""
    return f"{value:.2g}x" if value < 1 else f"{number(value)}x"


def mebibytes(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
