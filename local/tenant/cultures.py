"""Where the people of the tenant come from: names as they are written, numbers, streets and towns of eighteen
countries.
"""

import json
import unicodedata
from dataclasses import dataclass
from typing import Any

from local.tenant.metadata import DATA


@dataclass(frozen=True, slots=True)
class Culture:
    """Where a person comes from; `given` and `surnames` are pairs: as written, and in letters of a UPN. `share`: how
    many people, beside the others' shares: a tenant is never even, and neither are its first letters.
    """

    share: int
    country: str
    usage: str
    language: str
    phone: str
    domain: str
    given: tuple[tuple[str, str], ...]
    surnames: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    city: str
    state: str | None
    postal: str


_LATIN = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "æ": "ae"})  # noqa: RUF001


def _ascii(name: str) -> str:
    kept = unicodedata.normalize("NFKD", name.translate(_LATIN)).encode("ascii", "ignore").decode().lower()
    return "".join(c for c in kept if c.isalnum() or c == "'")


def _names(text: str) -> tuple[tuple[str, str], ...]:
    """`Zoë Jan-Willem` or `Иван=ivan`; an underscore stands for a space within a name."""
    pairs = (word.partition("=")[::2] for word in text.split())
    return tuple((native.replace("_", " "), latin or _ascii(native)) for native, latin in pairs)


def _culture(data: dict[str, Any]) -> Culture:
    names = {key: _names(data[key]) for key in ("given", "surnames")}
    return Culture(**{**data, **names, "streets": tuple(data["streets"])})


CULTURES = tuple(_culture(each) for each in json.loads((DATA / "cultures.json").read_text()))
