"""The routes without data of a tenant: the columns, the contract and the page. They need no storage."""

from pathlib import Path

import msgspec

from shared import page
from shared.api import swagger
from shared.api.access import Caller
from shared.api.exchange import HEADERS, Incoming, Outgoing, ReadSettings, api_url, as_json, as_problem
from shared.api.problems import ProblemError
from shared.files.columns import COLUMN_SETS, COLUMNS
from shared.settings import SettingsError

_CONTRACT = Path(__file__).parent / "openapi.json"


async def list_columns(incoming: Incoming, caller: Caller) -> Outgoing:
    """GET /columns: the columns that a request may name, the permissions that they need, and what they cost."""
    shown = ("header", "source", "group", "description", "cost", "permission")
    columns = [{name: getattr(column, name) for name in shown} for column in COLUMNS.values()]
    return as_json(200, {"sets": COLUMN_SETS, "columns": columns})


def contract() -> Outgoing:
    """GET /openapi.json: has no data, so every caller whom Easy Auth lets in may have it."""
    return Outgoing(200, _CONTRACT.read_bytes(), {**HEADERS, "Content-Type": "application/json"})


def swagger_of_contract(incoming: Incoming, read_settings: ReadSettings) -> Outgoing:
    """GET /swagger.json: the contract as OpenAPI 2.0, with the app's address and where to sign in."""
    try:
        settings = read_settings()
        public_url, tenant = settings.public_url, settings.tenant
    except SettingsError:
        public_url, tenant = "", ""
    address = api_url(incoming, public_url, "/swagger.json")
    return as_json(200, swagger.swagger(msgspec.json.decode(_CONTRACT.read_bytes()), address, tenant))


def page_file(name: str) -> Outgoing:
    """GET /bulk-operations and its files: they have no data, so every caller whom Easy Auth lets in may have them."""
    file = page.read(name)
    return Outgoing(200, *file) if file else as_problem(ProblemError(404, "Not found", "The page has no such file."))
