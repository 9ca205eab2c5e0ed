"""The request of a POST: as it is in the body, or one that was saved (`saved`) or sent before (`again`)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from shared.api import operations, request, saved
from shared.api.access import Caller
from shared.api.body import fingerprint_of
from shared.api.operations import Operations
from shared.api.problems import BadRequest, Problem, ProblemError
from shared.api.progress import is_running
from shared.api.request import ExportRequest
from shared.storage import blobs
from shared.storage.names import is_id, kept_users_name, users_name

PROPERTIES = ("saved", "again")


async def read(on: Operations, given: Mapping[str, Any], caller: Caller) -> ExportRequest:
    """The request of a body. The roles of this caller count, also when someone else has sent it before.

    Raises BadRequest.
    """
    by = next((name for name in PROPERTIES if name in given), "")
    if not by:
        return _check(on, given, caller)
    if len(given) > 1:
        raise BadRequest(Problem(f"/{by}", f"is given instead of everything else: leave out all but {by}"))
    if not isinstance(given[by], str):
        raise BadRequest(Problem(f"/{by}", "must be a text"))
    body, notes = await (_saved if by == "saved" else _again)(on, given[by], caller)
    checked = _check(on, body, caller)
    return replace(
        checked,
        saved=given[by] if by == "saved" else "",
        notes=(*checked.notes, *notes),
        fingerprint=fingerprint_of(given),
    )


def _check(on: Operations, given: Mapping[str, Any], caller: Caller) -> ExportRequest:
    return request.check(given, on.settings, on.now(), authentication=caller.reads_authentication, also=PROPERTIES)


async def _saved(on: Operations, name: str, caller: Caller) -> tuple[dict[str, Any], list[str]]:
    body = await saved.request_of(on, name, caller)
    if body is None:
        raise BadRequest(Problem("/saved", "you have no saved export of this name"))
    return dict(body), []


async def _again(on: Operations, export_id: str, caller: Caller) -> tuple[dict[str, Any], list[str]]:
    export_id = export_id.lower()
    try:
        record = await operations.find(on, export_id if is_id(export_id) else "", caller)
    except ProblemError as problem:
        raise BadRequest(Problem("/again", problem.detail)) from None
    if is_running(await on.durable.get_status(export_id)):
        raise BadRequest(Problem("/again", f"Export {export_id} has not ended yet."))
    if record.old:
        raise BadRequest(Problem("/again", f"{export_id} is a comparison: use POST /comparisons."))
    if record.body is None:
        raise BadRequest(Problem("/again", f"Export {export_id} is of an older version, which kept no request."))
    body = dict(record.body)
    if record.users:
        # An export that was lost or terminated still has them where a running one does.
        users = await blobs.read(on.storage, kept_users_name(export_id))
        users = users or await blobs.read(on.storage, users_name(export_id, record.attempt))
        if users is None:
            raise BadRequest(Problem("/again", f"The list of users of export {export_id} is gone."))
        body["users"] = msgspec.json.decode(users)
    note = f"The callback of export {export_id} is not used again: its address was removed with the end."
    return body, [note] if record.callback_host else []
