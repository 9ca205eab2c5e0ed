"""A caller's OData filter: is it one whole expression, does it need an advanced query, and how is it joined with ours.

Only the syntax is judged here, as the OData 4.01 ABNF has it in the part that Microsoft Graph takes. Which property
can be compared how is Graph's to say: it does so in its answer, and the export reports that.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote

MAX_LENGTH = 1_500
"""Characters. Graph takes 2,048 in the URL of an advanced query; the rest is for the columns and the range."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))
    | (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][\w.]*(?:/(?:[A-Za-z_][\w.]*|\$count))*)
    | (?P<sign>[(),:])
    )""",
    re.VERBOSE,
)
_COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le", "has"})
_FUNCTIONS = frozenset({"startswith", "endswith", "contains"})
_LITERALS = frozenset({"true", "false", "null"})
_KEYWORDS = _COMPARISONS | _LITERALS | {"and", "or", "not", "in"}
_ADVANCED = re.compile(r"\b(?:ne|not|endswith|contains|has)\b|\beq\s+null\b|/\$count\b", re.IGNORECASE)
_MAX_DEPTH = 40

Token = tuple[str, str, int]
"""Kind, text, and position in the filter."""


class FilterError(ValueError):
    """The filter is no OData expression; the message says where and what was expected."""


def check(text: str) -> None:
    """Raises FilterError unless the text is one whole OData expression, so that it can be put in parentheses."""
    if len(text) > MAX_LENGTH:
        raise FilterError(f"at most {MAX_LENGTH} characters are possible, these are {len(text)}")
    if any(ord(letter) < 32 for letter in text):
        raise FilterError("control characters and line breaks are not possible")
    tokens = _tokens(text)
    end = _either(tokens, 0, depth=0)
    if tokens[end][0] != "end":
        raise _expected("'and' or 'or'", tokens[end])


def is_advanced(text: str) -> bool:
    """True when the operators alone show that Graph wants ConsistencyLevel and $count."""
    outside_strings = re.sub(r"'(?:[^']|'')*'", "''", text)
    return bool(_ADVANCED.search(outside_strings))


def paths(text: str) -> frozenset[str]:
    """The property paths that a filter (one that has passed `check`) names, as written, such as
    `signInActivity/lastSignInDateTime`; what is in string literals is none. `s:s/skuId` stays `s/skuId`."""
    tokens = _tokens(text) if text else []
    return frozenset(
        re.sub(r"/(?:any|all)$", "", word)
        for (kind, word, _), (_, after, _) in pairwise(tokens)
        if kind == "word" and word not in _KEYWORDS and word.lower() not in _FUNCTIONS and after != ":"
    )


def mentions(text: str, name: str) -> bool:
    """Whether a filter names this property or a part of it; Graph takes the names of properties in any case."""
    return any(path.lower().split("/")[0] == name.lower() for path in paths(text))


def both(*filters: str) -> str:
    """One filter that holds where all of these do; empty ones hold everywhere. Each has passed `check` or is ours."""
    given = [text for text in filters if text]
    return given[0] if len(given) == 1 else " and ".join(f"({text})" for text in given)


def encoded(text: str) -> str:
    """For a URL's query, with as little encoding as possible; `#` and `&` would end the filter, `+` is a space."""
    return quote(text, safe="'(),:/$@!*=~.-_ ").replace(" ", "+")


def quoted(text: str) -> str:
    """An OData string literal."""
    return "'" + text.replace("'", "''") + "'"


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if not match or not match.lastgroup:
            rest = text[at:].strip()
            what = "this string has no end" if rest.startswith("'") else "this is no OData"
            raise FilterError(f"at character {len(text) - len(text[at:].lstrip()) + 1}: {what}: {rest[:20]!r}")
        word = match[match.lastgroup]
        if match.lastgroup == "word" and word.lower() in _KEYWORDS:
            word = word.lower()  # OData 4.01 takes operators in any case, and Microsoft's examples have NOT.
        found.append((match.lastgroup, word, match.start(match.lastgroup)))
        at = match.end()
    return [*found, ("end", "", len(text))]


def _expected(what: str, token: Token) -> FilterError:
    kind, text, at = token
    return FilterError(f"at character {at + 1}: {what} expected, {'the end' if kind == 'end' else repr(text)} found")


# Each of these reads one rule of the grammar from position `at` and returns the position behind it.


def _either(tokens: list[Token], at: int, depth: int) -> int:
    return _series(
        tokens, at, "or", lambda start: _series(tokens, start, "and", lambda begin: _term(tokens, begin, depth))
    )


def _series(tokens: list[Token], at: int, word: str, part: Callable[[int], int]) -> int:
    at = part(at)
    while tokens[at][:2] == ("word", word):
        at = part(at + 1)
    return at


def _term(tokens: list[Token], at: int, depth: int) -> int:
    if depth > _MAX_DEPTH:
        raise FilterError(f"more than {_MAX_DEPTH} parentheses inside each other")
    kind, text, _ = tokens[at]
    if (kind, text) == ("word", "not"):
        return _term(tokens, at + 1, depth + 1)
    if text == "(" and kind == "sign":
        return _sign(tokens, _either(tokens, at + 1, depth + 1), ")")
    if kind != "word":
        raise _expected("a property, 'not' or '('", tokens[at])
    if text.lower() in _FUNCTIONS:
        at = _sign(tokens, _path(tokens, _sign(tokens, at + 1, "(")), ",")
        at = _sign(tokens, _literal(tokens, at), ")")
        return _literal(tokens, at + 1) if tokens[at][:2] == ("word", "eq") else at
    if text.endswith(("/any", "/all")):
        at = _sign(tokens, _path(tokens, _sign(tokens, at + 1, "(")), ":")
        return _sign(tokens, _either(tokens, at, depth + 1), ")")
    return _comparison(tokens, _path(tokens, at))


def _comparison(tokens: list[Token], at: int) -> int:
    kind, text, _ = tokens[at]
    if kind == "word" and text in _COMPARISONS:
        return _literal(tokens, at + 1)
    if (kind, text) == ("word", "in"):
        at = _literal(tokens, _sign(tokens, at + 1, "("))
        while tokens[at][:2] == ("sign", ","):
            at = _literal(tokens, at + 1)
        return _sign(tokens, at, ")")
    raise _expected("a comparison such as 'eq'", tokens[at])


def _path(tokens: list[Token], at: int) -> int:
    if tokens[at][0] != "word" or tokens[at][1] in _KEYWORDS:
        raise _expected("a property", tokens[at])
    return at + 1


def _literal(tokens: list[Token], at: int) -> int:
    kind, text, _ = tokens[at]
    if kind in {"string", "datetime", "guid", "number"} or (kind == "word" and text in _LITERALS):
        return at + 1
    raise _expected("a value such as 'text', true or 2024-01-31T00:00:00Z", tokens[at])


def _sign(tokens: list[Token], at: int, sign: str) -> int:
    if tokens[at][:2] != ("sign", sign):
        raise _expected(repr(sign), tokens[at])
    return at + 1
