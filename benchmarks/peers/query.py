"""What all peers ask and write: the users with the properties of the project's `profile` columns."""

from typing import Any

from shared.files.columns import COLUMN_SETS, columns_of, select_of
from shared.graph.odata import encoded

SELECT = select_of(columns_of(COLUMN_SETS["profile"]))
HEADERS = {"Authorization": "Bearer dummy"}
"""The simulated tenant takes any token."""
ADVANCED = {**HEADERS, "ConsistencyLevel": "eventual"}
TOP = 999


def first_page(tenant: str, odata_filter: str = "", *, advanced: bool = False) -> str:
    url = f"{tenant}/v1.0/users?$top={TOP}&$select={','.join(SELECT)}"
    url += "&$count=true" if advanced else ""
    return url + (f"&$filter={encoded(odata_filter)}" if odata_filter else "")


def row(user: dict[str, Any]) -> dict[str, Any]:
    """A user as a line for csv.DictWriter: lists in one cell."""
    return {name: "; ".join(value) if isinstance(value := user.get(name), list) else value for name in SELECT}
