"""What the executions count of users and cells for the results' warnings: by name, in `Staged.counted`.

The formats count too: cells that they changed, under the names that `shared.files.formats` has.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from shared.export.messages import Staged
from shared.files.columns import ATTRIBUTES, REGISTRATION, Column
from shared.graph.users import User

UNREGISTERED = "unregistered"
"""Users whom the registration report does not know."""
ATTRIBUTED = "attributed"
"""Users with custom security attributes."""
DEPARTED = "left"
"""Members of the group or unit who are gone from the tenant since they were listed."""
PURGED = "purged"
"""Objects of users that are gone from the tenant."""
ODD = "odd "
"""Before the name of a property: users in whose rows it came in another form than documented."""


def together(staged: Iterable[Staged]) -> Counter[str]:
    """What these have counted for warnings, together."""
    totals: Counter[str] = Counter()
    for each in staged:
        totals.update(each.counted)
    return totals


def under(prefix: str, counted: Counter[str]) -> dict[str, int]:
    """What was counted under names with this prefix, by the rest of the name."""
    return {name.removeprefix(prefix): count for name, count in sorted(counted.items()) if name.startswith(prefix)}


def counters(columns: list[Column], *, has_report: bool) -> dict[str, Callable[[User], bool]]:
    """Under which name which users are counted. `has_report`: the registration report was read."""
    sources = {column.source for column in columns}
    counters: dict[str, Callable[[User], bool]] = {}
    if has_report and REGISTRATION in sources:
        counters[UNREGISTERED] = lambda user: user.registration is None
    if ATTRIBUTES in sources:
        counters[ATTRIBUTED] = lambda user: bool(user.custom_security_attributes)
    return counters
