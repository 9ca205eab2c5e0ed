"""What Power Platform shows for each field of a connector: its title, its place, and the values to choose from.

https://learn.microsoft.com/connectors/custom-connectors/openapi-extensions
"""

import re
from typing import Any

Json = dict[str, Any]

IMPORTANT = {"fileName", "columns", "filter", "format", "id", "name", "status", "schedule", "timeZone", "old", "new"}
"""Fields that a maker of flows sees at once; the others are below `Show advanced options`."""
HIDDEN = {"callbackUrl"}
"""A flow's connector waits by polling."""
_CHOICES = {
    "columns": ("listColumns", "columns", "header", "description"),
    "id": ("listExports", "value", "id", "request/fileName"),
    "name": ("listSavedExports", "value", "name", "name"),
}
"""The operation that gives the values to choose from, and where its answer has the list, each value and its title."""


def of(name: str, *, in_path: bool = False) -> Json:
    """The hints of a field of a body or an answer, or of a parameter."""
    visibility = "important" if in_path or name in IMPORTANT else "internal" if name in HIDDEN else "advanced"
    extensions = {"x-ms-summary": title(name), "x-ms-visibility": visibility}
    return extensions | (choice(name) if in_path else {})


def choice(name: str) -> Json:
    """Where the values of a field come from; empty: there is no list of them."""
    if name not in _CHOICES:
        return {}
    keys = ("operationId", "value-collection", "value-path", "value-title")
    return {"x-ms-dynamic-values": dict(zip(keys, _CHOICES[name], strict=True))}


def title(name: str) -> str:
    """The name for people: `fileName` is `File name`, `Idempotency-Key` stays."""
    if "-" in name:
        return name
    words = re.sub("(?<=[a-z])(?=[A-Z])", " ", name)
    return words[:1].upper() + words[1:].lower()
