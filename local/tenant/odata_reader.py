"""The tokens of a filter, and where the parser is among them."""

import re
from dataclasses import dataclass

from local.tenant.errors import GraphError

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^']|'')*')
    |(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    |(?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?)
    |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])
    |(?P<name>\$?[^\W\d]\w*(?:[./]\$?[^\W\d]\w*)*)(?![\w./$'])
    |(?P<sign>[(),:])
    |(?P<end>\Z))""",
    re.VERBOSE,
)
KEYWORDS = ("eq", "ne", "ge", "le", "gt", "lt", "has", "null", "true", "false", "and", "or", "not", "in")
_DEEPEST = 50


def invalid(message: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Invalid filter clause: {message}")


def tokens_of(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    while not tokens or tokens[-1][0] != "end":
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            rest = text[at:].lstrip()
            raise invalid(f"Syntax error: character '{rest[:1]}' is not valid at position {at} in '{text}'.")
        kind, word, at = match.lastgroup, match[match.lastgroup], match.end()
        tokens.append((kind, word.lower()) if word.lower() in KEYWORDS else (kind, word))
    return tokens


@dataclass(slots=True)
class Reader:
    tokens: list[tuple[str, str]]
    at: int = 0
    depth: int = 0

    def next(self, ahead: int = 0) -> tuple[str, str]:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def take(self) -> tuple[str, str]:
        token = self.next()
        self.at += token[0] != "end"
        return token

    def take_if(self, kind: str, *texts: str) -> str:
        token = self.next()
        return self.take()[1] if token[0] == kind and token[1] in texts else ""

    def expect(self, kind: str, text: str) -> None:
        if self.take() != (kind, text):
            raise self.syntax()

    def deeper(self, step: int) -> None:
        self.depth += step
        if self.depth > _DEEPEST:
            raise invalid("Recursion depth exceeded allowed limit.")

    def syntax(self) -> GraphError:
        near = " ".join(text for _, text in self.tokens[max(0, self.at - 2) : self.at + 2])
        return invalid(f"Syntax error at position {self.at} in '{near.strip()}'.")
