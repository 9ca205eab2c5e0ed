"""The pace: chains slow down together when Graph throttles, and speed up again."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest

from shared.graph.pace import FREE, LONGEST_PAUSE, Pace

CHAINS = 32


class Clock:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock, clock.sleep)


async def at_once(pace: Pace, requests: int, answer: Callable[[int], Awaitable[None]] | None = None) -> int:
    """How many of these were under way at the same time."""
    most = 0

    async def ask(number: int) -> None:
        nonlocal most
        async with pace.turn():
            most = max(most, pace.running)
            for _ in range(5):
                await asyncio.sleep(0)
            if answer:
                await answer(number)

    await asyncio.gather(*(ask(number) for number in range(requests)))
    return most


async def test_until_graph_throttles_all_chains_ask_at_once(pace: Pace) -> None:
    assert await at_once(pace, CHAINS) == CHAINS
    pace.answered()
    assert pace.room == math.inf


async def test_refused_in_the_same_moment_all_chains_slow_down_once(pace: Pace, clock: Clock) -> None:
    async def refuse(_: int) -> None:
        pace.throttled(3)

    await at_once(pace, CHAINS, refuse)

    assert pace.room == CHAINS / 2
    assert await at_once(pace, 100) == CHAINS / 2
    assert clock.now == 1003


async def test_refused_again_and_again_one_request_at_a_time_remains(pace: Pace, clock: Clock) -> None:
    for _ in range(20):
        pace.throttled(None)
        clock.now += 1
    assert await at_once(pace, CHAINS) == 1


async def test_answers_bring_the_pace_back_one_more_for_each_round(pace: Pace, clock: Clock) -> None:
    async def refuse(_: int) -> None:
        pace.throttled(1)

    await at_once(pace, CHAINS, refuse)
    for _ in range(CHAINS // 2):
        pace.answered()
    assert CHAINS / 2 < pace.room <= CHAINS / 2 + 1
    for _ in range(FREE**2):
        pace.answered()
    assert pace.room == math.inf


async def test_the_others_wait_no_longer_than_graphs_window(pace: Pace, clock: Clock) -> None:
    pace.throttled(300)
    await at_once(pace, 1)
    assert clock.now == 1000 + LONGEST_PAUSE


async def test_a_chain_that_is_cancelled_while_it_waits_takes_no_room(pace: Pace) -> None:
    pace.room = 1.0
    async with pace.turn():
        waiting = asyncio.create_task(at_once(pace, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert pace.running == 0
    assert await at_once(pace, 3) == 1
