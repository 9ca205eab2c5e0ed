"""What tokens may do: application permissions, read from the list that the deployment grants from.

infra/graph-permissions.json has `always` and a list for each switch of main.bicep, such as `readSignInActivity`. Where
permissions are named, such a key means its list: `always,readSignInActivity` is what `azd up` grants with just
that switched on, and `always` what it grants with everything switched off.
"""

import argparse
import json
import re
from pathlib import Path

FILE = Path(__file__).parents[1] / "infra/graph-permissions.json"
_PERMISSION = re.compile(r"[A-Za-z-]+(\.[A-Za-z-]+)+")


def deployed(*switches: str) -> frozenset[str]:
    """What the deployment grants with these switches on, and always."""
    granted = _granted()
    return frozenset(name for key in ("always", *switches) for name in granted[key])


def deployed_whole() -> frozenset[str]:
    """What it grants with everything switched on."""
    return deployed(*_granted())


def parse(text: str) -> frozenset[str]:
    """Permissions and keys of the deployment's list, with commas between; for an option of a command line."""
    granted = _granted()
    permissions: set[str] = set()
    for name in filter(None, (each.strip() for each in text.split(","))):
        if name not in granted and not _PERMISSION.fullmatch(name):
            known = ", ".join(granted)
            raise argparse.ArgumentTypeError(
                f"{name!r} is neither a permission such as User.Read.All nor one of {known}"
            )
        permissions.update(granted.get(name, [name]))
    return frozenset(permissions)


def _granted() -> dict[str, list[str]]:
    granted: dict[str, list[str]] = json.loads(FILE.read_text())
    return granted
