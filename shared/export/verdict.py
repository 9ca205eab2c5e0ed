"""How an export has ended, judged from what was staged and what Graph counted. Pure."""

from collections import Counter
from dataclasses import dataclass

from shared.export import counts
from shared.export.context import Record
from shared.export.counts import ATTRIBUTED, DEPARTED, ODD, PURGED, UNREGISTERED
from shared.export.messages import (
    Failure,
    Json,
    PublishTask,
    Staged,
)
from shared.files import results
from shared.files.columns import ATTRIBUTES, columns_of
from shared.files.formats import CUT
from shared.files.workbook import MAX_CELL
from shared.storage.staging import MAX_BLOCKS

PLAUSIBLE = 0.8
"""At least this share of the counted users must have come: the index can't lag that much."""
PLAUSIBLE_USERS = 10
"""A difference of so few users is always plausible."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Of everything that was staged. `bytes`: of the rows, without the header."""

    rows: int
    bytes: int
    blocks: int
    error_blocks: int
    errors: int
    counted: Counter[str]


def totals(staged: list[Staged]) -> Totals:
    """What was staged in all."""
    return Totals(
        rows=sum(each.rows for each in staged),
        bytes=sum(each.bytes for each in staged),
        blocks=sum(each.blocks for each in staged),
        error_blocks=sum(each.error_blocks for each in staged),
        errors=sum(each.errors for each in staged),
        counted=counts.together(staged),
    )


def failure(record: Record, task: PublishTask, totals: Totals) -> Failure | None:
    """Why there can be no file; None when there can."""
    return task.failed or _too_many_blocks(totals) or _implausible(record, task.expected, totals)


def status(failed: Failure | None, errors: int, *, cancelled: bool) -> str:
    """The status of the results."""
    if cancelled:
        return results.CANCELLED
    if failed:
        return results.FAILED
    return results.COMPLETED_WITH_ERRORS if errors else results.COMPLETED


def error(failed: Json | None, *, cancelled: bool) -> Json:
    """`error` of an export without a file, which Azure's pollers show. `failed`: its entry in `errors`."""
    if failed:
        return {"error": {"code": failed["code"], "message": failed["reason"]}}
    reason = "The export was cancelled, so there is no file."
    return {"error": {"code": results.CANCELLED, "message": reason}} if cancelled else {}


def lists_errors(totals: Totals) -> bool:
    """False when the errors take more blocks than a blob has."""
    return _error_blocks(totals) <= MAX_BLOCKS


def warnings(record: Record, expected: int | None, totals: Totals) -> list[Json]:
    """Warnings about a file that is published."""
    warned, rows, purged = _odd(totals.counted) + cut(totals.counted), totals.rows, totals.counted[PURGED]
    if purged:
        reason = (
            f"Graph also sent {purged} objects with nothing but an id and sign-ins. They belong to users who are gone"
            " from the tenant, and are not in the file."
        )
        warned.append({"code": "PurgedUsers", "reason": reason})
    warned += _empty_cells(record, totals)
    if departed := totals.counted[DEPARTED]:
        were = "1 member was" if departed == 1 else f"{departed} members were"
        reason = f"{were} deleted from the tenant after the members were listed, and not in the file."
        warned.append({"code": "MembersLeft", "reason": reason})
    if record.users:
        return warned
    if expected is None:
        came = "1 user came" if rows == 1 else f"{rows} users came"
        reason = f"{came}. Graph gives no count here, so this number could not be checked."
        warned.append({"code": "CompletenessUnchecked", "reason": reason})
    elif expected not in {rows, rows + purged, rows + departed}:
        reason = (
            f"Graph counted {expected} users before and sent {rows}. Its count is not always up to date."
            " The file has every user that Graph sent, once."
        )
        warned.append({"code": "CountDiffers", "reason": reason})
    return warned


def _empty_cells(record: Record, totals: Totals) -> list[Json]:
    """Warnings about cells that may be empty without an error."""
    warned: list[Json] = []
    unknown = totals.counted[UNREGISTERED]
    if unknown:
        reason = (
            f"The tenant's registration report does not know {unknown} of the users: disabled ones are not in it, and"
            " it is up to a day old. Their cells are empty, which does not mean no."
        )
        warned.append({"code": "RegistrationUnknown", "reason": reason})
    names = [column.header for column in columns_of(record.columns) if column.source == ATTRIBUTES]
    if names and totals.rows and not totals.counted[ATTRIBUTED]:
        reason = (
            f"No user has a value of {', '.join(names)}. Graph is silent where the app may not read custom security"
            " attributes: it needs CustomSecAttributeAssignment.Read.All."
        )
        warned.append({"code": "AttributesEmpty", "reason": reason})
    return warned


def _too_many_blocks(totals: Totals) -> Failure | None:
    return too_many_blocks(max(1 + totals.blocks, _error_blocks(totals)))


def too_many_blocks(needed: int) -> Failure | None:
    """This hardly ever happens, because ranges and blocks are large."""
    if needed <= MAX_BLOCKS:
        return None
    reason = (
        f"The files need {needed} blocks, and Azure takes {MAX_BLOCKS}. Export in several parts, each with a filter."
    )
    return Failure("TooManyBlocks", reason)


def _error_blocks(totals: Totals) -> int:
    """Of the results file: beginning, end, and each block of errors with its separator."""
    return 2 + 2 * totals.error_blocks


def _implausible(record: Record, expected: int | None, totals: Totals) -> Failure | None:
    """Why the rows can't be right, by Graph's count; None when they may be.

    No document says whether Graph counts objects of purged users.
    """
    rows = totals.rows
    if record.users or expected is None or abs(expected - rows) <= PLAUSIBLE_USERS:
        return None
    if rows + totals.counted[PURGED] + totals.counted[DEPARTED] < expected * PLAUSIBLE:
        reason = (
            f"Graph counted {expected} users and sent only {rows}. Nothing is published, because users would be"
            " missing. Start the export again. If that does not help, check the filter."
        )
        return Failure("TooFewUsers", reason)
    if record.filter and expected < rows * PLAUSIBLE:
        reason = (
            f"Graph counted {expected} users for the filter and sent {rows}, so it may have ignored the filter. Nothing"
            " is published, because the filter may exclude these users. Start the export again, or change the filter."
        )
        return Failure("FilterIgnored", reason)
    return None


def _odd(counted: Counter[str]) -> list[Json]:
    """A warning that names the properties that came in another form than documented, and counts their users."""
    odd = counts.under(ODD, counted)
    if not odd:
        return []
    shown = ", ".join(f"{name} of {users} user{'s' * (users != 1)}" for name, users in odd.items())
    reason = (
        f"Graph sent values in another form than Microsoft documents: {shown}. The users are in the file, with"
        " the parts of these values that could be read."
    )
    return [{"code": "OddValues", "reason": reason}]


def cut(counted: Counter[str]) -> list[Json]:
    """A warning that names the columns with cells that were too long for a workbook, and counts these."""
    cut = counts.under(CUT, counted)
    if not cut:
        return []
    shown = ", ".join(f"{cells} of {header}" for header, cells in cut.items())
    total = sum(cut.values())
    were = "1 cell was longer and was" if total == 1 else f"{total} cells were longer and were"
    reason = (
        f"A cell of a workbook has at most {MAX_CELL} characters; {were} cut: {shown}. The formats csv and jsonl have"
        " them whole."
    )
    return [{"code": "CellsCut", "reason": reason}]
