"""Faults that tests and benchmarks put into the tenant: rules, which request they hit, and how often.

A rule is `{kind, match?, page? | nth? | rate?, times?, ...}`: it hits requests whose path and query contain `match`;
of those only the `page`-th page of a chain, only from the `nth` on, or a share `rate` of them (seeded). It hits
`times` times: by default once, and without end for a rate.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import unquote_plus

# Answered instead of the request; or done to its answer.
INSTEAD = ("throttle", "status", "unauthorized", "expired_token", "reset", "hang")
AFTER = (
    "truncate",
    "repeat_link",
    "foreign_link",
    "empty_page",
    "duplicate_user",
    "ignore_filter",
    "count_lag",
    "wrong_type",
    "lose_link",
    "purged_users",
    "empty_sign_ins",
    "odd_value",
    "late_error",
    "endless",
    "huge",
)
KINDS = INSTEAD + AFTER
ON_THE_WIRE = ("reset", "hang", "truncate", "huge")  # have no meaning within a batch


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault. `times` None: once, or without end when a rate is given."""

    kind: str
    match: str = ""
    page: int | None = None
    nth: int | None = None
    rate: float | None = None
    times: int | None = None
    retry_after: float | str | None = None  # throttle, status: Retry-After, seconds or as it is; None leaves it out
    status: int = 503  # status
    body: Any = None  # status: JSON in place of Graph's error, or an HTML page (a text that begins with "<")
    code: str = ""  # status: the code of the error body; expired_token: which of the three
    revoke: bool = True  # unauthorized: the token that was sent stays refused
    host: str = "https://graph.evil.example"  # foreign_link
    share: float = 0.01  # count_lag: counts are off by this share, up or down
    property: str = ""  # wrong_type: which property of the first user; the first one when empty
    value: Any = field(default_factory=lambda: {"unexpected": True})  # wrong_type, odd_value
    seconds: float = 3600.0  # hang
    users: int = 3  # purged_users: so many more objects on a page, or in a count, of a filter on signInActivity
    # odd_value: the first so many of a page; endless: so many made-up ones on each page after the end, 0 for none, -1
    # for those of the page before
    size: int = 0  # huge: bytes of the body
    gzip: bool = False  # huge: compressed

    def wait(self) -> dict[str, str]:
        """The header that says when to ask again."""
        seconds = self.retry_after
        return {} if seconds is None else {"Retry-After": seconds if isinstance(seconds, str) else f"{seconds:g}"}


@dataclass(slots=True)
class _Live:
    rule: Rule
    rng: random.Random
    seen: int = 0
    hits: int = 0


@dataclass(slots=True)
class Faults:
    """The rules in force, in the order in which they were added."""

    seed: int = 0
    applied: dict[str, int] = field(default_factory=dict)
    _live: list[_Live] = field(default_factory=list)

    def add(self, kind: str | Rule, **options: Any) -> Rule:
        """Adds a rule, as `add("throttle", match="/users", retry_after=1)`; raises ValueError for one that makes no
        sense.
        """
        rule = kind if isinstance(kind, Rule) else Rule(kind, **options)
        if rule.kind not in KINDS:
            raise ValueError(f"no fault is called {rule.kind!r}: choose from {', '.join(KINDS)}")
        self._live.append(_Live(rule, random.Random(f"{self.seed} {len(self._live)} {rule.kind}")))
        return rule

    def clear(self) -> None:
        self._live.clear()

    def rules(self) -> list[Rule]:
        return [live.rule for live in self._live]

    def hits(self, target: str, page: int, within_batch: bool = False) -> list[Rule]:
        """The rules that hit this request (path and query as sent); each hit is counted."""
        if not self._live:
            return []
        plain = unquote_plus(target)
        rules = []
        for live in self._live:
            rule = live.rule
            if (rule.match not in target and rule.match not in plain) or (within_batch and rule.kind in ON_THE_WIRE):
                continue
            if rule.kind == "expired_token" and page == 1:  # a first page brings no token that could have died
                continue
            live.seen += 1
            if _hit(live, page):
                live.hits += 1
                self.applied[rule.kind] = self.applied.get(rule.kind, 0) + 1
                rules.append(rule)
        return rules


def read_rules(rules: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """Rules out of JSON; raises ValueError that names what is unknown."""
    known = {each.name for each in fields(Rule)}
    known_rules = []
    for rule in rules:
        unknown = set(rule) - known
        if "kind" not in rule or unknown:
            raise ValueError(f"a fault needs a kind and knows {sorted(known)}; unknown here: {sorted(unknown)}")
        known_rules.append(Rule(**rule))
    return known_rules


def _hit(live: _Live, page: int) -> bool:
    rule = live.rule
    most = rule.times if rule.times is not None else None if rule.rate is not None else 1
    if most is not None and live.hits >= most:
        return False
    if rule.page is not None and page != rule.page:
        return False
    if rule.nth is not None and live.seen < rule.nth:
        return False
    return rule.rate is None or live.rng.random() < rule.rate
