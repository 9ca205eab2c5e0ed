"""Who belongs to whom: managers, who form a tree, and the sponsors of guests.

Computed from a user's position, so that a tenant of a million costs nothing until it is asked.
"""

from collections.abc import Iterator

from local.tenant.calls import joined
from local.tenant.directory import Directory, exists
from local.tenant.membership import GROUPS
from local.tenant.rendering import rows, values

REPORTS = 7  # people of one manager
_NO_MANAGER, _CONTACT, _SPONSORS = (
    11,
    53,
    4,
)  # every 11th has no manager, every 53rd an orgContact


def expanded(directory: Directory, at: int, relation: str, select: tuple[str, ...]) -> bytes:
    """What `$expand` adds to a user: `{"manager":{...}}`, or nothing for one without."""
    if relation == "sponsors":
        return b'{"sponsors":[' + b",".join(_sponsors(directory, at, select)) + b"]}"
    boss = manager(directory, at, select)
    return b"{}" if boss is None else b'{"manager":' + boss + b"}"


def manager(directory: Directory, at: int, select: tuple[str, ...]) -> bytes | None:
    """The manager of the user at this place as JSON; None when there is none, or no longer one."""
    boss = _manager(at)
    if boss is None:
        return None
    if at % _CONTACT == 0:
        return f'{{"@odata.type":"#microsoft.graph.orgContact","id":"0c0c0c0c-0000-4000-8000-{at:012x}"}}'.encode()
    return shown(directory, boss, select) if exists(directory, boss) else None


def reports(directory: Directory, at: int) -> Iterator[int]:
    """The places of those whose manager is the user at this one."""
    for other in range(at * REPORTS, (at + 1) * REPORTS):
        if _manager(other) == at and other % _CONTACT and exists(directory, other):
            yield other


def sponsors(directory: Directory, at: int, select: tuple[str, ...]) -> list[bytes]:
    return list(_sponsors(directory, at, select))


def shown(directory: Directory, at: int, select: tuple[str, ...]) -> bytes:
    """A user as a member of a list of directory objects."""
    return marked(rows(directory, [at], select)[0])


def marked(row: bytes) -> bytes:
    return joined(b'{"@odata.type":"#microsoft.graph.user"}', row)


def _manager(at: int) -> int | None:
    return None if at == 0 or at % _NO_MANAGER == 0 else at // REPORTS


def _sponsors(directory: Directory, at: int, select: tuple[str, ...]) -> Iterator[bytes]:
    if values(directory, at, ("userType",))["userType"] != "Guest":
        return
    for number in range(at % _SPONSORS):
        other = (at // REPORTS + number) % max(1, len(directory))
        if other != at and exists(directory, other):
            yield shown(directory, other, select)
    if at % _SPONSORS == 3:
        group = next(iter(GROUPS))
        name = '","displayName":"Every third one' if "displayName" in select else ""
        yield f'{{"@odata.type":"#microsoft.graph.group","id":"{group}{name}"}}'.encode()
