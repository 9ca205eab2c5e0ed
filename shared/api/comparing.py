"""The request of a comparison: two exports that the caller may see, each with a file that has objectId."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.api import operations, request
from shared.api.access import Caller
from shared.api.body import fingerprint_of
from shared.api.operations import Operations
from shared.api.problems import BadRequest, Problem, ProblemError
from shared.api.progress import is_running
from shared.api.request import ExportRequest
from shared.export.context import Record
from shared.export.outcome import read_results
from shared.files.columns import authentication_of
from shared.files.comparison import ID
from shared.files.results import COMPLETED, COMPLETED_WITH_ERRORS
from shared.storage.names import is_id

EXPORTS = ("old", "new")
FILE = ("fileName", "format", "compress", "separator", "excel", "callbackUrl")
"""The properties of an export's request that a comparison has too."""


async def read(on: Operations, given: Mapping[str, Any], caller: Caller) -> ExportRequest:
    """The request of a body. Raises BadRequest with all its problems."""
    problems = request.unknown(given, (*EXPORTS, *FILE))
    exports = [await _export(on, given, name, caller, problems) for name in EXPORTS]
    file = {name: given[name] for name in FILE if name in given}
    file.setdefault("fileName", f"compareUsers_{on.now():%Y-%m-%d}")
    records = [record for record in exports if record]
    both = [ID]
    if len(records) == len(exports):
        old, new = records
        both = [name for name in new.columns if name in old.columns]
        if old.id == new.id:
            problems.append(Problem("/new", "is the same export as old"))
    try:
        checked = request.check({**file, "columns": both}, on.settings, on.now())
    except BadRequest as refused:
        raise BadRequest(*problems, *refused.problems) from None
    if problems:
        raise BadRequest(*problems)
    _refuse_authentication(both, caller)
    fingerprint = fingerprint_of(given)
    return replace(checked, old=old.id, new=new.id, body={}, fingerprint=fingerprint)


async def _export(
    on: Operations, given: Mapping[str, Any], name: str, caller: Caller, problems: list[Problem]
) -> Record | None:
    """One of the two exports. None when it can't be compared; then the problem is noted."""
    export_id = given.get(name)
    if not isinstance(export_id, str) or not is_id(export_id.lower()):
        problems.append(Problem(f"/{name}", "must be the id of an export"))
        return None
    try:
        record = await operations.find(on, export_id.lower(), caller)
    except ProblemError as problem:
        problems.append(Problem(f"/{name}", problem.detail))
        return None
    if why_not := await _why_not(on, record):
        problems.append(Problem(f"/{name}", why_not))
        return None
    return record


async def _why_not(on: Operations, record: Record) -> str:
    """Why this export can't be compared; empty when it can."""
    if record.old:
        return f"{record.id} is itself a comparison."
    if ID not in record.columns:
        return f"Export {record.id} does not have the column {ID}, by which users are found again."
    if is_running(await on.durable.get_status(record.id)):
        return f"Export {record.id} has not ended yet."
    published = await read_results(on.storage, record.id, 0)
    status = published["status"] if published else "Failed"
    if status not in {COMPLETED, COMPLETED_WITH_ERRORS}:
        return f"Export {record.id} has no file: it ended as {status}."
    return ""


def _refuse_authentication(columns: list[str], caller: Caller) -> None:
    """The comparison shows columns of both exports, so it needs the same role for authentication columns."""
    refused = authentication_of(columns)
    if refused and not caller.reads_authentication:
        detail = f"Both exports have {', '.join(refused)}. You need a role of EXPORT_AUTHENTICATION_ROLES for these."
        raise BadRequest(Problem("", detail), status=403)
