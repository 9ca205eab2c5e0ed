"""The tenant: its people, its settings, its limits, and what changed or was counted since it started. No IO in here."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.tenant import metadata, permissions
from local.tenant.directory import Directory, User, find, living, put, timestamp
from local.tenant.errors import GraphError
from local.tenant.faults import Faults
from local.tenant.membership import GROUPS, UNITS, within
from local.tenant.metadata import PROPERTIES
from local.tenant.populate import living_directory, make_directory
from local.tenant.query import Domain
from local.tenant.rendering import values
from local.tenant.throttle import Bucket

__all__ = ["GROUPS", "UNITS", "Tenant", "change", "create_user", "delete_user", "update_user", "whom"]


@dataclass(slots=True)
class Stats:
    """What was asked so far; `highest` is the highest number of requests under way at once."""

    requests: dict[str, int] = field(default_factory=dict)
    users: int = 0
    throttled: int = 0
    errors: int = 0
    now: int = 0
    highest: int = 0
    hosts: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    priorities: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Tenant:
    """A simulated tenant. The same settings make the same people. Limits are off when they are None."""

    users: int = 1000
    seed: int = 1
    shape: str = "normal"  # one of populate.SHAPES
    units: float | None = None  # resource units per 10 s
    method_limit: float | None = None  # requests for authentication methods per 10 s
    sign_in_limit: float | None = None  # requests with signInActivity per `sign_in_window` seconds
    sign_in_window: float = 60.0
    report_limit: float | None = None  # requests for the registration report per 10 s
    permissions: frozenset[str] | None = None  # of tokens that name none; None: all but those of `deny`
    deny: tuple[str, ...] = ()  # permissions by name, or "authentication", "signin" for all that open these
    premium: bool = True  # has a P1 licence
    method_errors: float = 0.0  # share of users whose methods answer 403, 404 or 500
    registered: float = 1.0  # share of users who may have more methods than a password
    fractions: bool = False  # adds hidden milliseconds to the creation times
    cloud: str = ""  # a national one, whose users lack some properties (metadata.ABSENT)
    # No document says these:
    batch_text: str = "number"  # how a plain number (`/users/$count`) comes back within a batch, or "base64"
    expand_page: int | None = None  # the most users of a page with $expand
    expand_eventual: str = "taken"  # what becomes of $expand in an advanced query, or "refused", "ignored"
    hidden_members: str = "refused"  # what hidden members are without Member.Read.Hidden, or "nobody"
    clock: Callable[[], float] = time.monotonic
    faults: Faults = field(default_factory=Faults)
    stats: Stats = field(default_factory=Stats)
    revoked: set[str] = field(default_factory=set)
    changes: list[int] = field(default_factory=list)  # positions, oldest change first: what delta tells
    directory: Directory = field(init=False)
    bin: Directory = field(init=False)  # deleted users
    buckets: dict[str, Bucket] = field(init=False)

    def __post_init__(self) -> None:
        self.faults.seed = self.seed
        undated = "createdDateTime" in self.absent
        self.directory = living_directory(self.users, self.seed, self.shape, self.fractions, undated)
        self.directory.registered = self.registered
        self.bin = make_directory(self.users // 100, self.seed, salt=1000)
        self.bin.deleted_at = int(time.time())
        self.buckets = {
            "identity": Bucket(self.units, self.clock),
            "methods": Bucket(self.method_limit, self.clock),
            "registration": Bucket(self.report_limit, self.clock),
            "signin": Bucket(self.sign_in_limit, self.clock, window=self.sign_in_window),
        }

    @property
    def granted(self) -> frozenset[str]:
        """The permissions of a token that names none."""
        return permissions.without(self.deny) if self.permissions is None else self.permissions

    @property
    def absent(self) -> frozenset[str]:
        return frozenset(metadata.ABSENT.get(self.cloud, ()))

    @property
    def b2c(self) -> bool:
        return self.shape == "b2c"

    def check_premium(self) -> None:
        """Raises the 403 for what needs a P1 licence."""
        if not self.premium or self.b2c:
            message = "Neither tenant is B2C or tenant doesn't have premium license"
            raise GraphError(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", message)

    def everyone(self) -> Domain:
        return Domain(
            self.directory,
            no_advanced=self.b2c,
            absent=self.absent,
            expand_page=self.expand_page,
            expand_eventual=self.expand_eventual,
        )

    def all_users(self, names: tuple[str, ...] = tuple(PROPERTIES)) -> list[User]:
        """The truth: every user there is now, with these properties. Few of them take a tenth of the time of all."""
        return [values(self.directory, at, names) for at in living(self.directory)]


def whom(tenant: Tenant, scope: Mapping[str, str]) -> tuple[Directory, Iterator[int]]:
    """The truth of a scope: members of a `group` or `administrativeUnit`; `deleted` or `enabled` users; or everyone."""
    if scope.get("deleted"):
        return tenant.bin, living(tenant.bin)
    everyone = living(tenant.directory)
    if scope.get("enabled"):
        return tenant.directory, (
            at for at in everyone if values(tenant.directory, at, ("accountEnabled",))["accountEnabled"]
        )
    if "group" in scope:
        every = within(scope["group"])
    elif "administrativeUnit" in scope:
        every = (UNITS[scope["administrativeUnit"]].every,)
    else:
        return tenant.directory, everyone
    return tenant.directory, (at for at in everyone if any(each and at % each == 0 for each in every))


def create_user(tenant: Tenant, properties: User) -> User:
    """Adds a user; `userPrincipalName` is needed and must be free (ValueError)."""
    _check_free(tenant, properties["userPrincipalName"])
    at = put(tenant.directory, properties)
    tenant.changes.append(at)
    return values(tenant.directory, at)


def update_user(tenant: Tenant, name: str, properties: User) -> User:
    """Changes properties of a user, named by id or UPN; a new `userPrincipalName` must be free (ValueError)."""
    at = _position(tenant, name)
    if "userPrincipalName" in properties:
        _check_free(tenant, properties["userPrincipalName"])
    put(tenant.directory, values(tenant.directory, at) | properties, at)
    tenant.changes.append(at)
    return values(tenant.directory, at)


def delete_user(tenant: Tenant, name: str) -> None:
    """Moves a user, named by id or UPN, to the deleted ones."""
    at = _position(tenant, name)
    put(tenant.bin, values(tenant.directory, at) | {"deletedDateTime": timestamp(int(time.time()))})
    tenant.directory.edited[at] = None
    tenant.changes.append(at)


def change(tenant: Tenant, order: dict[str, Any]) -> dict[str, Any]:
    """One order of `POST /_tenant/change`: `{action: create | update | rename | delete, user?, userPrincipalName?,
    properties?}`.
    """
    properties = dict(order.get("properties", {}))
    if "userPrincipalName" in order:
        properties["userPrincipalName"] = order["userPrincipalName"]
    match order["action"]:
        case "create":
            return create_user(tenant, properties)
        case "update" | "rename":
            return update_user(tenant, order["user"], properties)
        case "delete":
            delete_user(tenant, order["user"])
            return {"deleted": order["user"], "deletedDateTime": timestamp(int(time.time()))}
        case other:
            raise ValueError(f"no change is called {other!r}: create, update, rename or delete")


def _position(tenant: Tenant, name: str) -> int:
    at = find(tenant.directory, name)
    if at is None:
        raise ValueError(f"no user is called {name!r}")
    return at


def _check_free(tenant: Tenant, upn: str) -> None:
    if find(tenant.directory, upn) is not None:
        raise ValueError(f"another user is called {upn!r} already")
