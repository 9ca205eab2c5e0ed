"""Which properties a user has in Graph's v1.0, and of what type: Microsoft's own metadata (data/metadata.json), and the
directory extensions that an app of this tenant has registered.
"""

import json
from pathlib import Path

DATA = Path(__file__).parent / "data"
_METADATA = json.loads((DATA / "metadata.json").read_text())

EXTENSION_APP = "8a3f1c5e7b904d26a1e08c4f2d6b9073"
EXTENSIONS = {
    f"extension_{EXTENSION_APP}_costCentre": "Edm.String",
    f"extension_{EXTENSION_APP}_badgeNumber": "Edm.Int32",
    f"extension_{EXTENSION_APP}_remote": "Edm.Boolean",
}
TYPES: dict[str, dict[str, str]] = _METADATA["types"]
"""Type without its namespace -> property -> Edm type."""
PROPERTIES: dict[str, str] = TYPES["user"] | EXTENSIONS
"""Every property of a user that $select takes, with its type."""
RELATIONS: dict[str, str] = _METADATA["relations"]
ABSENT: dict[str, list[str]] = _METADATA["absent"]
"""National cloud -> properties that its users lack."""
OPEN = "customSecurityAttributeValue"  # a type whose properties each tenant defines
_BY_LOWER = {name.lower(): name for name in (*PROPERTIES, *RELATIONS)}


def is_list(name: str) -> bool:
    return PROPERTIES[name].startswith("Collection(")


def spelled(name: str) -> str:
    """A property as Graph spells it: names are taken in any case."""
    return _BY_LOWER.get(name.lower(), name)


def bare(edm: str) -> str:
    """`Collection(graph.assignedLicense) not null` is `assignedLicense`, `Edm.String` is itself."""
    return edm.removesuffix(" not null").removeprefix("Collection(").removesuffix(")").removeprefix("graph.")


def part(owner: str, name: str) -> str | None:
    """The type of a property of a complex type; None when it has none of that name."""
    if owner == OPEN:
        return OPEN
    edm = TYPES.get(owner, {}).get(name)
    return None if edm is None else bare(edm)
