"""Makes the users of a tenant, by its shape."""

import random
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from local.tenant.cultures import CULTURES
from local.tenant.directory import MASK, Directory, scrambled
from local.tenant.people import Persona, personas, templates

SHAPES = {"normal": 0.08, "burst": 0.08, "onehour": 0.02, "oneday": 0.0, "null90": 0.9, "b2c": 0.0}
"""The share without createdDateTime."""
BURST = 50_000
ONE_HOUR = 0.14
"""The share created within one hour, of the shape of that name: a script, or a first synchronization."""
_SHARED = 10_000
"""The most users of a tenant that is kept for the next one of the same settings."""


def make_directory(
    users: int, seed: int, shape: str = "normal", fractions: bool = False, salt: int = 0, undated: bool = False
) -> Directory:
    """Makes `users` people, the same for the same arguments.

    `fractions` adds hidden milliseconds to each creation time: Graph shows whole seconds and no document says
    what it stores, so a client whose ranges end at "the next one's start - 1 s" must lose users here.
    `undated`: nobody has a creation time.
    """
    rng = random.Random(f"{seed} {shape} {salt}")
    nulls = users if undated else round(users * SHAPES[shape])
    kinds = personas(seed, b2c=shape == "b2c")
    created = array("q", bytes(8 * nulls))
    created.extend(sorted(_creation_times(rng, users - nulls, users, shape, fractions)))
    bits = array("Q", rng.randbytes(8 * users))
    upns = list(_upns(bits, kinds))
    if nulls:
        ordered = sorted(zip(upns[:nulls], bits[:nulls], strict=True), key=lambda pair: pair[0].lower())
        upns[:nulls] = [upn for upn, _ in ordered]
        bits[:nulls] = array("Q", [own for _, own in ordered])
    return Directory(seed + salt, nulls, kinds, created, bits, upns, _formats=templates(seed, shape == "b2c"))


def living_directory(users: int, seed: int, shape: str, fractions: bool, undated: bool) -> Directory:
    """The same of users who are not deleted. Small ones with the same arguments share what never changes, also the rows
    and the filters' results as they were at the start: most of the time of a test went into making them anew.
    """
    if users > _SHARED:
        return make_directory(users, seed, shape, fractions, undated=undated)
    return replace(_kept(users, seed, shape, fractions, undated), edited={})


@lru_cache(maxsize=8)
def _kept(users: int, seed: int, shape: str, fractions: bool, undated: bool) -> Directory:
    return make_directory(users, seed, shape, fractions, undated=undated)


def _creation_times(rng: random.Random, count: int, users: int, shape: str, fractions: bool) -> list[int]:
    start, end = 1_325_376_000, 1_793_000_000  # 2012 .. autumn of 2026
    if shape == "oneday":
        start, end = 1_709_596_800, 1_709_596_800 + 86_399
    bursts: list[int] = []
    if shape == "burst":
        bursts = [1_693_548_000] * min(BURST, users // 2, count)
    elif shape == "onehour":
        bursts = [1_631_179_380 + int(3600 * rng.random()) for _ in range(round(users * ONE_HOUR))]
    elif shape != "oneday":
        while len(bursts) < count // 5 and count >= 20:
            second = int(start + (end - start) * rng.random() ** 0.6)
            bursts += [second] * min(rng.randint(1000, 5000), max(2, count // 12), count - len(bursts))
    power = 0.6  # a tenant grows: more people came lately
    seconds = bursts + [int(start + (end - start) * rng.random() ** power) for _ in range(count - len(bursts))]
    if not fractions:
        return [second * 1000 for second in seconds]
    return [second * 1000 + int(rng.random() * 1000) for second in seconds]


def _upns(bits: Iterable[int], kinds: Sequence[Persona]) -> Iterator[str]:
    """A unique UPN each: the second anna.jansen is anna.jansen2, as an administrator would do."""
    taken: dict[str, int] = {}
    made: dict[tuple[str, int, int, int], str] = {}
    names = [(culture.given, culture.surnames) for culture in CULTURES]
    for number, own in enumerate(bits):
        kind = kinds[own & 2047]
        if kind.alias == "{n}":
            yield f"20{number:08d}{kind.suffix}"
            continue
        if kind.alias == "{u}":
            yield f"{scrambled(number):08x}-0b2c-4000-8000-{own & MASK:012x}{kind.suffix}"
            continue
        given, surnames = names[kind.culture]
        first, last = (own >> 11 & 4095) ** 2 // 4096 % len(given), (own >> 23 & 4095) % len(surnames)
        key = (kind.alias, kind.culture, first, last)
        alias = made.get(key)
        if alias is None:
            g, s = given[first][1], surnames[last][1].lower()
            # {n} within an odd alias only needs a digit in front: the counter makes it unique
            alias = made[key] = kind.alias.format(
                g=g, s=s, g1=g[0], G=g.capitalize(), S=s.capitalize(), n=f"9{first}{s}"
            )
        base = alias.lower()
        seen = taken[base] = taken.get(base, 0) + 1
        yield f"{alias}{kind.suffix}" if seen == 1 else f"{alias}{seen}{kind.suffix}"
