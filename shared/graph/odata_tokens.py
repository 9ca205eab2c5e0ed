"""The tokens of a filter, and the error that says where the syntax is wrong."""

import re
from datetime import datetime
from typing import NamedTuple

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*'(?!'))
    | (?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)(?![\w.:]))
    | (?P<date>\d{4}-\d\d-\d\d(?![\w:-]))
    | (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-]))
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.-]))
    | (?P<word>\$?[^\W\d]\w*(?:[./]\$?[^\W\d]\w*)*(?![\w./$']))
    | (?P<sign>[(),:])
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.\d{1,12})?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)")
_VALUES = frozenset({"string", "time", "guid", "number"})
COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "has"})
CONSTANTS = frozenset({"true", "false", "null"})
KEYWORDS = COMPARISONS | CONSTANTS | {"and", "or", "not", "in"}


class FilterError(ValueError):
    """The filter can't be used; the message says where and what was expected."""


class Token(NamedTuple):
    kind: str
    """string, time, guid, number, word (also a path), sign or end."""
    text: str
    at: int
    """From 0."""

    @property
    def is_value(self) -> bool:
        return self.kind in _VALUES or (self.kind == "word" and self.text in CONSTANTS)

    @property
    def is_name(self) -> bool:
        return self.kind == "word" and self.text not in KEYWORDS


def error(at: int, what: str) -> FilterError:
    """An error at a position that counts from 0, for people who count from 1."""
    return FilterError(f"at character {at + 1}: {what}")


def tokens(text: str) -> list[Token]:
    """The tokens of a filter; the last is of kind `end`. Raises FilterError.

    Keywords become lower case: OData 4.01 takes them in any case, and Microsoft's own examples have NOT.
    """
    parsed: list[Token] = []
    at = 0
    while not parsed or parsed[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if not match or not match.lastgroup:
            raise _no_token(text, at)
        kind, word, start = match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)
        if kind == "time" and not _is_time(word):
            raise error(start, f"there is no such time: {word}")
        if kind == "date":
            raise error(start, f"a date needs a time of day: write {word}T00:00:00Z")
        if kind == "word" and word.lower() in KEYWORDS:
            word = word.lower()
        parsed.append(Token(kind, word, start))
        at = match.end()
    return parsed


def _no_token(text: str, at: int) -> FilterError:
    at = len(text) - len(text[at:].lstrip())
    rest = repr(text[at : at + 30])
    if text[at] == "'":
        return error(at, f"this text has no closing quote (write a quote inside a text twice): {rest}")
    if text[at] in '"\u2018\u2019\u201c\u201d`\u00b4':
        return error(at, f"write a text in straight single quotes: {rest}")
    if re.match(r"datetime(?:offset)?'|'?\d{4}-\d\d-\d\d", text[at:], re.IGNORECASE):
        return error(at, f"write a time as 2024-01-31T00:00:00Z, without quotes: {rest}")
    if re.match(r"\w+'", text[at:]):
        return error(at, f"write a space before a quote, and write a quote inside a text twice: {rest}")
    return error(at, f"this is not OData: {rest}")


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    try:
        return bool(match and datetime.fromisoformat(match[1] + "+00:00"))
    except ValueError:
        return False
