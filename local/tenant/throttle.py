"""Throttling as Graph documents it for identity and access: a token bucket of resource units per 10 seconds, and a
few own limits.

Source: "Microsoft Graph service-specific throttling limits". Off unless a limit is set; the clock is an argument, so
that tests need not wait.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local.tenant.errors import GraphError

WINDOW = 10.0
_COSTS = {
    "users": 2,
    "members": 3,
    "unitMembers": 3,
    "transitiveMembers": 5,
    "getByIds": 5,
    "deletedItems": 2,
    "subscribedSkus": 3,
}


@dataclass(slots=True)
class Bucket:
    """`limit` units per `window` seconds, filled up continuously; None as limit never throttles."""

    limit: float | None
    clock: Callable[[], float]
    window: float = WINDOW
    units: float = 0.0
    at: float | None = None

    def take(self, cost: float) -> float | None:
        """Takes `cost` units, or says how many seconds to wait."""
        if self.limit is None:
            return None
        now = self.clock()
        if self.at is None:
            self.units = self.limit
        else:
            self.units = min(self.limit, self.units + (now - self.at) * self.limit / self.window)
        self.at = now
        if self.units < cost:
            return (cost - self.units) * self.window / self.limit
        self.units -= cost
        return None

    def used(self) -> float:
        """The share of the limit in use, as `x-ms-throttle-limit-percentage` tells."""
        return 0.0 if self.limit is None else 1 - self.units / self.limit


def cost(route: str, params: Mapping[str, str]) -> int:
    """Resource units of a request; at least 1."""
    units = _COSTS.get(route, 1)
    units -= 3 if route == "getByIds" and "$select" in params else "$select" in params
    units += "$expand" in params
    top = params.get("$top", "")
    units -= top.isdigit() and int(top) < 20
    return max(1, units)


def too_many(wait: float, scope: str) -> GraphError:
    """429 with the whole seconds to wait."""
    headers = {"Retry-After": str(max(1, math.ceil(wait))), "x-ms-throttle-scope": scope}
    return GraphError(429, "TooManyRequests", "Too Many Requests", headers)
