"""What happens in a round: drawn from its kind and its seed alone, so that a round can be repeated.

The moments come from the seed too, but processes are real: a repeated round kills at the same phases and pauses, not
at the same instruction.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local.tenant.membership import DEEP, EVERYONE, UNIT

ENGINE, COMPARISON, SAVED = "engine", "comparison", "saved"
COMPARING = frozenset({COMPARISON, SAVED})
"""Kinds of rounds in which two exports are compared, and the comparison is what is hit."""
TARGETS = ("worker", "workers", "host", "azurite", "tenant", "serve", "everything")
"""What is killed; on Microsoft's extension also ENGINE, one of its hosts.

`serve` takes its children along, only Azurite ends in good order; `everything` is killed by -9.
"""

POSTING, PLANNING, READING, PUBLISHING, ENDED = range(5)
PHASES = ("before the start", "while planning", "while reading", "while publishing", "after the end")

STOP, STOP_TO_END, CANCEL, POST_AGAIN = "stop", "stop to the end", "cancel", "post again"


SCOPES: dict[str, str | dict[str, str | bool]] = {
    "all": "all",
    "members of most groups": {"group": DEEP},
    "everyone by a group": {"group": EVERYONE},
    "a unit": {"administrativeUnit": UNIT},
    "deleted": {"deleted": True},
}
"""By a name, what the request says."""


@dataclass(frozen=True, slots=True)
class Blow:
    """One thing that happens to the running export: `after` seconds from the moment when it is in `phase`.

    `what` is one of TARGETS, or: `stop` a worker (a host of the extension) by SIGSTOP until its work was given to
    another; `stop to the end`, until the export has ended; `cancel` and `post again` are the caller's. `pick` chooses
    among several.
    """

    phase: int
    after: float
    what: str
    pick: int


@dataclass(frozen=True, slots=True)
class Round:
    """A round. `columns` is a set's name; `range_users` and `parallel` are the app's settings of that kind.

    `format`, `compress` and `scope` are what the request says.
    """

    kind: str
    seed: int
    users: int
    shape: str
    latency_ms: int
    range_users: int
    parallel: int
    columns: str
    format: str
    compress: bool
    scope: str
    """One of SCOPES."""
    blows: tuple[Blow, ...]
    durable_host: str = ""
    """The program of Microsoft's extension; empty for the local engine."""


Draw = Callable[[random.Random, tuple[str, ...]], list[Blow]]
"""Of chance and of what can be killed."""


def _blow(rng: random.Random, phase: int, longest: float, what: str | Sequence[str]) -> Blow:
    chosen = what if isinstance(what, str) else rng.choice(what)
    return Blow(phase, round(rng.uniform(0, longest), 3), chosen, rng.randrange(100))


def _kills(most: int, *targets: str) -> Draw:
    def draw(rng: random.Random, _: tuple[str, ...]) -> list[Blow]:
        return [_blow(rng, READING, 1.5, targets) for _ in range(rng.randint(1, most))]

    return draw


def _mixed(rng: random.Random, targets: tuple[str, ...]) -> list[Blow]:
    return [_blow(rng, rng.choice((PLANNING, READING)), 1.5, (*targets, STOP)) for _ in range(rng.randint(3, 6))]


def _start(rng: random.Random, targets: tuple[str, ...]) -> list[Blow]:
    return [_blow(rng, PLANNING, 0.6, targets)]


def _end(rng: random.Random, targets: tuple[str, ...]) -> list[Blow]:
    return [_blow(rng, PUBLISHING, 0.3, targets)]


def _zombie(rng: random.Random, _: tuple[str, ...]) -> list[Blow]:
    """Its first execution goes on while the second runs, or when all is over; sometimes it is `publish` itself."""
    if rng.random() < 0.4:
        return [_blow(rng, PUBLISHING, 0.1, STOP_TO_END)]
    return [_blow(rng, rng.choice((PLANNING, READING, READING)), 1.0, (STOP, STOP_TO_END))]


def _cancel(rng: random.Random, targets: tuple[str, ...]) -> list[Blow]:
    """A person cancels just before or just after something dies."""
    blows = [_blow(rng, rng.choice((PLANNING, READING)), 1.0, targets), _blow(rng, PLANNING, 0.2, CANCEL)]
    rng.shuffle(blows)
    return blows


def _post(rng: random.Random, _: tuple[str, ...]) -> list[Blow]:
    """The POST itself is hit, and sent again by the caller who got no answer; then it is sent once more."""
    hit = _blow(rng, POSTING, 0.15, ("host", "azurite", "everything"))
    return [
        hit,
        _blow(rng, PLANNING, 0.5, POST_AGAIN),
        _blow(rng, READING, 0.5, "host"),
        _blow(rng, READING, 0.1, POST_AGAIN),
    ]


def _comparison(rng: random.Random, targets: tuple[str, ...]) -> list[Blow]:
    """One to three, while the files are found, split, compared or published; sometimes a person cancels."""
    also = (STOP, STOP_TO_END, CANCEL, POST_AGAIN)
    phases = (POSTING, PLANNING, READING, READING, READING, PUBLISHING)
    first = _blow(rng, rng.choice(phases), 0.6, targets)
    return [first, *(_blow(rng, rng.choice(phases), 0.6, (*targets, *also)) for _ in range(rng.randrange(3)))]


def _saved(rng: random.Random, _: tuple[str, ...]) -> list[Blow]:
    """While the timer starts what is due, then while the runs are compared. The tenant must not forget its changes."""
    targets = ("host", "host", "worker", "workers", "azurite")
    due = [_blow(rng, POSTING, 1.5, targets) for _ in range(rng.randint(1, 2))]
    return [*due, _blow(rng, rng.choice((PLANNING, READING)), 0.6, targets)]


KINDS: dict[str, tuple[str, Draw]] = {
    "worker": ("a worker, one to three times", _kills(3, "worker")),
    "workers": ("all workers, once or twice", _kills(2, "workers")),
    "host": ("the HTTP host, one to three times", _kills(3, "host")),
    "azurite": ("the storage, once or twice", _kills(2, "azurite")),
    "tenant": ("Microsoft Graph (simulated), once or twice", _kills(2, "tenant")),
    ENGINE: ("one of the two hosts of Microsoft's extension, once or twice", _kills(2, ENGINE)),
    "serve": ("`serve`: its processes die with it, a new one goes on", _kills(1, "serve")),
    "everything": ("everything at once, a new `serve` goes on", _kills(2, "everything")),
    "mixed": ("three to six of these one after another", _mixed),
    "start": ("any of these while it is planned", _start),
    "end": ("any of these while it is published", _end),
    "zombie": ("nothing: a worker is stopped until others have its work, then goes on", _zombie),
    "cancel": ("any of these, and a person cancels", _cancel),
    "post": ("what takes the POST, which is then repeated with its key", _post),
    COMPARISON: ("any of these while two exports are compared", _comparison),
    SAVED: ("what runs the timer: a schedule starts a saved export, which is compared", _saved),
}


def draw(kind: str, seed: int, durable_host: str = "") -> Round:
    """The round of this kind and seed: always the same."""
    rng = random.Random(f"{kind} {seed}")
    # Small ranges are many activities and blocks; large ones are chains of pages; `documented` asks user by user.
    range_users, users, columns = rng.choice(
        ((40, 3000, "profile"), (100, 5000, "profile"), (1500, 9000, "profile"), (100, 800, "documented"))
    )
    users += rng.randrange(200)
    shape, latency_ms = rng.choice(("normal", "normal", "null90")), rng.randrange(100, 201)
    blows = tuple(KINDS[kind][1](rng, (*TARGETS, ENGINE) if durable_host else TARGETS))
    # After all else, so that a seed gives the blows that it has always given.
    file, compress = rng.choice((("csv", False), ("csv", True), ("xlsx", False), ("xlsx", False), ("jsonl", True)))
    scope = rng.choice(("all", "all", *SCOPES))
    if kind in COMPARING:
        # Two exports come first, which are not hit.
        users, range_users, columns, scope, latency_ms = 2500 + users % 200, 500, "profile", "all", 20
    return Round(
        kind=kind,
        seed=seed,
        users=users,
        shape=shape,
        latency_ms=latency_ms,
        range_users=range_users,
        parallel=8,
        columns=columns,
        format=file,
        compress=compress,
        scope=scope,
        blows=blows,
        durable_host=durable_host,
    )
