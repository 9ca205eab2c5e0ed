"""The name of an export's file: safe in a blob's path, a header and a file system."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.api.problems import Problem

MAX_FILE_NAME = 255
"""Bytes, with the ending: the limit of Linux and macOS. A letter takes up to four bytes."""
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
"""Devices of Windows, with any ending (Naming Files, Paths, and Namespaces)."""


def file_name(given: Mapping[str, Any], ending: str, now: datetime, problems: list[Problem]) -> str:
    """A name that is safe in a blob's path, a header and a file system; the portal's own by default."""
    name = given.get("fileName")
    if name is None:
        return f"exportUsers_{now:%Y-%m-%d}"
    if not isinstance(name, str) or not name.strip():
        problems.append(Problem("/fileName", "must be a text, and not empty"))
        return ""
    # Before the other checks: for eight million letters those take seconds.
    if len(name) > MAX_FILE_NAME * 2 or len(f"{_stem(name, ending)}{ending}".encode(errors="replace")) > MAX_FILE_NAME:
        detail = f"must have at most {MAX_FILE_NAME} bytes (UTF-8, with {ending} at the end)"
        problems.append(Problem("/fileName", detail))
        return ""
    name = _stem(name, ending)
    # Cc: CR and LF split headers. Cf: marks that change the reading direction can hide a file's ending.
    bad = {
        letter
        for letter in name
        if letter in '\\/:*?"<>|#%' or unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    }
    if bad:
        problems.append(Problem("/fileName", f"must not have these characters: {' '.join(sorted(map(repr, bad)))}"))
    if _RESERVED.fullmatch(name.partition(".")[0].rstrip()):
        problems.append(Problem("/fileName", "must not be the name of a Windows device, with any ending"))
    if not name.strip(". ") or name != name.strip(". "):
        problems.append(Problem("/fileName", "must not begin or end with a dot or a space"))
    return name


def _stem(name: str, ending: str) -> str:
    """The name without the format's ending; when it is compressed, also without that of the format alone."""
    stem = unicodedata.normalize("NFC", name.strip())
    for each in (ending, ending.removesuffix(".gz")):
        if stem.lower().endswith(each):
            return stem[: -len(each)]
    return stem
