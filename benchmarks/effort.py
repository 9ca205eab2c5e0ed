"""How much is measured: all, a quick look, or all and the largest tenant."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Effort:
    """Sizes in users unless said otherwise; repeats in runs."""

    users: int = 200_000
    latency_ms: int = 500
    repeats: int = 3
    slow_repeats: int = 2
    """Of what takes minutes."""
    instance_users: int = 100_000
    sdk_pages: int = 4
    javascript_pages: int = 10
    cpu_users: int = 200_000
    compared_users: int = 1_000_000
    smallest: int = 1_000
    """A tenant whose export takes hardly more than what every export takes."""
    scale: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    history_users: int = 40_000
    history_ranges: tuple[int, ...] = (500, 1000, 2000)
    batch_users: int = 100_000
    batch_latency_ms: int = 300
    column_latency_ms: int = 100
    column_users: tuple[int, int, int, int] = (1_000_000, 200_000, 280_000, 100_000)
    """With managers, with licenses, with the registration report, with authentication columns."""
    loads: tuple[tuple[int, int], ...] = ((50, 20_000), (1000, 2_000))
    """Exports at once, and the users of each."""


FULL = Effort()
LARGE = replace(FULL, scale=(*FULL.scale, 5_000_000))
QUICK = Effort(
    users=20_000,
    instance_users=20_000,
    repeats=2,
    slow_repeats=1,
    sdk_pages=1,
    javascript_pages=4,
    cpu_users=20_000,
    compared_users=40_000,
    scale=(10_000, 30_000, 100_000),
    history_users=4_000,
    history_ranges=(50, 100, 200),
    batch_users=2_000,
    column_users=(20_000, 20_000, 20_000, 10_000),
    loads=((10, 10_000), (50, 1_000)),
)
