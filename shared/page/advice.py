"""What each error and warning means, and what to do: data that the page, the API and docs/codes.md share.

It is in the page's texts, in each language. The API sends the English one, because its reasons are English too.
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from shared.page import read

_NUMBERED = re.compile(r"HTTP\d+")


def advice_for(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """`[{code, meaning, whatToDo}]` for these errors and warnings, each code once; others' codes have none."""
    by_code: dict[str, dict[str, str]] = {}
    for entry in entries:
        code = str(entry["code"])
        if code not in by_code and (advice := _advice_on(code, str(entry.get("column", "")))):
            by_code[code] = {"code": code, "meaning": advice[0], "whatToDo": advice[1]}
    return list(by_code.values())


def _advice_on(code: str, column: str) -> list[str] | None:
    known = _advice()
    on_columns = known.get(f"{code} on columns") if column.startswith("authentication") else None
    return on_columns or known.get("HTTP" if _NUMBERED.fullmatch(code) else code)


@cache
def _advice() -> dict[str, list[str]]:
    content, _ = read("texts.en.json") or (b"", {})
    advice: dict[str, list[str]] = json.loads(content)["advice"]
    return advice
