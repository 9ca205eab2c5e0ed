"""Splits ranges by the beginning of the userPrincipalName, where time can no longer split them."""

from dataclasses import dataclass, field, replace

from shared.ranges.counting import MAX_LEVELS, PROBES, Splitting, ask, count_of
from shared.ranges.ranges import Range

LETTERS = "asmjcedrlbtknphgiofvwyzuqx0123456789.-_'!#^~@"
"""The characters of userPrincipalNames, ignoring case (learn.microsoft.com: user resource); the frequent ones first."""
LETTERS_AFTER = "aeionrlshmtducgkybpvfjwzxq.0123456789-_'!#^~@"
"""The same; first those that most often come later in a name."""
DIGITS_FIRST = "0123456789@.-_" + LETTERS_AFTER[:26] + "'!#^~"
"""The same, for after a digit: scripts make names with numbers."""
MAX_OR = 12
"""Beginnings in one range: Graph takes 15 clauses with `or`, and the caller's filter may have some too."""
MAX_DEPTH = 60


@dataclass(slots=True)
class _Beginning:
    """A crowded beginning of userPrincipalNames, and the counts of its continuations so far."""

    text: str
    count: int
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def uncounted(self) -> int:
        return self.count - sum(self.counts.values())

    def unasked(self) -> list[str]:
        """The next continuations to count: as many as fit in one `$batch`."""
        letters = LETTERS if not self.text else DIGITS_FIRST if self.text[-1].isdigit() else LETTERS_AFTER
        return [self.text + letter for letter in letters if self.text + letter not in self.counts][:PROBES]

    def own(self, size: int) -> list[str]:
        """The continuations that get ranges of their own, the largest first; the small ones stay with the uncounted."""
        smallest_first, rest = sorted(self.counts, key=self.counts.__getitem__), max(self.uncounted, 0)
        while smallest_first and rest + self.counts[smallest_first[0]] <= size:
            rest += self.counts[smallest_first.pop(0)]
        return smallest_first[::-1]


def first_letters(base: Range) -> list[Range]:
    """One question for each letter that a name can begin with."""
    return [replace(base, prefixes=(letter,)) for letter in LETTERS]


def forms(base: Range) -> list[Range]:
    """Questions that show whether Graph takes the filters of ranges by name: one of each kind, as long as possible."""
    first = LETTERS[0]
    return [
        replace(base, prefixes=tuple(LETTERS[:MAX_OR])),
        replace(base, except_prefixes=tuple(LETTERS)),
        replace(base, prefixes=(first,), except_prefixes=tuple(first + letter for letter in LETTERS_AFTER)),
    ]


def split_by_name(base: Range, size: int, known: dict[str, int] | None = None) -> Splitting:
    """Splits a range by the beginning of the userPrincipalName. None when it is not crowded, or Graph refuses that.

    `known`: the counts of the first letters, if they and the forms of filters were already asked for.
    """
    if count_of(base) <= size:
        return None
    beginnings = [_Beginning("", count_of(base), dict(known or {}))]
    for _ in range(MAX_LEVELS):
        if any(sum(each.counts.values()) > 2 * each.count + size for each in beginnings):
            return None  # Graph ignores the filter, so more questions would never end.
        open_ = [each for each in beginnings if each.uncounted > size and each.unasked()]
        if not open_:
            counts = {text: count for each in beginnings for text, count in each.counts.items()}
            deepened = {each.text for each in beginnings}
            deeper = [
                _Beginning(text, count)
                for text, count in counts.items()
                if count > size and text not in deepened and len(text) < MAX_DEPTH
            ]
            if not deeper:
                break
            beginnings += deeper
            continue
        questions = [(each, text) for each in open_ for text in each.unasked()]
        counted = yield from ask([replace(base, prefixes=(text,)) for _, text in questions])
        if not counted:
            return None
        for (each, text), range_ in zip(questions, counted, strict=True):
            each.counts[text] = count_of(range_)
    split = {each.text for each in beginnings}
    owns = {each.text: each.own(size) for each in beginnings}
    leftovers = [
        replace(
            base,
            prefixes=(each.text,) if each.text else (),
            except_prefixes=tuple(owns[each.text]),
            expected=max(each.count - sum(each.counts[text] for text in owns[each.text]), 0),
        )
        for each in beginnings
    ]
    own = [(text, each.counts[text]) for each in beginnings for text in owns[each.text] if text not in split]
    ranges = [*_packed(base, own, size), *leftovers]
    # Counting shows whether Graph takes these filters at all.
    return ranges if known is not None else (yield from ask(ranges))


def _packed(base: Range, own: list[tuple[str, int]], size: int) -> list[Range]:
    """Ranges for these beginnings, several small ones in one."""
    packs: list[tuple[list[str], int]] = []
    for text, count in sorted(own):
        if packs and packs[-1][1] + count <= size and len(packs[-1][0]) < MAX_OR:
            packs[-1] = ([*packs[-1][0], text], packs[-1][1] + count)
        else:
            packs.append(([text], count))
    return [replace(base, prefixes=tuple(texts), expected=count) for texts, count in packs]
