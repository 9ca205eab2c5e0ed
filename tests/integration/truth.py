"""Compares an exported file with the tenant's own list of users."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from local.tenant import Tenant
from local.tenant.directory import living, user_id
from local.truth import differences

SCHEMA = Draft202012Validator(
    json.loads(Path("shared/files/results.schema.json").read_text()), format_checker=FormatChecker()
)


def rows_of(file: bytes | None) -> list[dict[str, str]]:
    assert file is not None, "there is no file"
    return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))


def check_complete(file: bytes | None, tenant: Tenant, *, optional: frozenset[str] = frozenset()) -> None:
    """Each of the tenant's users is in the file exactly once; of those in `optional` at most once."""
    check_ids(file, ids_of(tenant), optional=optional)


def ids_of(tenant: Tenant) -> set[str]:
    """The same as of `all_users`, in a tenth of its time."""
    directory = tenant.directory
    edited = {at: user["id"] for at, user in directory.edited.items() if user}
    return {edited.get(at) or user_id(directory, at) for at in living(directory)}


def check_ids(file: bytes | None, ids: set[str], *, optional: frozenset[str] = frozenset()) -> None:
    found = differences(ids, (row["objectId"] for row in rows_of(file)))
    assert (found.missing - optional, found.doubled, found.strange - optional) == (set(), set(), set())


def check_results(results: dict[str, Any], status: str) -> None:
    assert results["status"] == status, (results["status"], results["errors"][:3], results["warnings"])
