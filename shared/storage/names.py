"""The name of every blob in the container, and of every block; pure.

    {id}/{fileName}.csv     the export (or .xlsx, .jsonl, .csv.gz, .jsonl.gz): staged in blocks, visible only once
                            they are committed, all in one step
    {id}/results.json       its results, committed the same way
    {id}/request.json       the request, and whose it is
    {id}/users.json         its list of selected users, which stays after its end for `again`
    {id}/cancelled          a person has cancelled it, and it has not ended yet
    {id}/deleted            says that the export was deleted, and whose it was
    work/{id}/...           plan, list of selected users, state of a chain; removed when the export ends
    keys/{hash}             Idempotency-Key to export id
    running/{hash}/{id}     a running export, by caller
    saved/{hash}/{name}     a saved export, by owner: its request, with the callback's address
    ended/{id}              a run of a saved export has ended, so older ones may have to be removed

Ids sort newest first, so a plain listing is the list of operations. The ids of ordinary exports begin with ORDINARY:
the storage's lifecycle rule (infra/app/storage.bicep) removes their blobs, and those in `keys`, `running`, `work` and
`ended`. The ids of runs of saved exports begin with RUN. The rule spares them, because only the app knows which of them
must stay.
"""

import hashlib
import re

KEYS = "keys/"
RUNNING = "running/"
WORK = "work/"
SAVED = "saved/"
ENDED = "ended/"
CANCELLED = "cancelled"
ORDINARY, RUN = "f", "e"
"""The first digit of an id, until the year 2527."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_id(text: str) -> bool:
    """Whether this has the form of an export's id."""
    return bool(_ID.fullmatch(text))


def order(export_id: str) -> str:
    """The sort key of an id: newest first, runs of saved exports among the others."""
    return export_id[1:]


def record_name(export_id: str) -> str:
    return f"{export_id}/request.json"


def results_name(export_id: str) -> str:
    return f"{export_id}/results.json"


def file_name(export_id: str, name: str) -> str:
    """The file of an export; `name` is with its ending."""
    return f"{export_id}/{name}"


def deleted_name(export_id: str) -> str:
    """Says that the export was deleted, and whose it was."""
    return f"{export_id}/deleted"


def key_name(caller_id: str, idempotency_key: str) -> str:
    """Holds the id of the export that a caller's Idempotency-Key has started."""
    digest = hashlib.sha256(f"{caller_id}\n{idempotency_key}".encode()).hexdigest()
    return f"{KEYS}{digest}"


def saved_name(owner_id: str, name: str = "") -> str:
    """A saved export; without a name: the prefix of all that an owner has."""
    return f"{SAVED}{hashlib.sha256(owner_id.encode()).hexdigest()[:32]}/{name}"


def ended_name(export_id: str) -> str:
    """Tells the timer that this run of a saved export has ended."""
    return f"{ENDED}{export_id}"


def kept_users_name(export_id: str) -> str:
    """The list of selected users of an export that has ended."""
    return f"{export_id}/users.json"


def work_name(export_id: str, name: str) -> str:
    return f"{WORK}{export_id}/{name}"


def users_name(export_id: str, attempt: str) -> str:
    """The list of selected users, as this attempt of the POST has written it."""
    return work_name(export_id, f"users-{attempt}.json" if attempt else "users.json")


def callback_name(export_id: str, attempt: str) -> str:
    """The address of the callback, which is a secret."""
    return work_name(export_id, f"callback-{attempt}" if attempt else "callback")


def place_name(caller_id: str, export_id: str = "") -> str:
    """The blob of a caller's running export; without an id: the prefix of all of them."""
    return f"{RUNNING}{hashlib.sha256(caller_id.encode()).hexdigest()[:32]}/{export_id}"


def plan_name(export_id: str) -> str:
    return work_name(export_id, "plan.json")


def progress_name(export_id: str, number: int | None = None) -> str:
    """Where a range notes how far it is, in the blob's summary; without a number: the prefix of all of them."""
    return work_name(export_id, "progress-") + ("" if number is None else f"{number:07d}")


def ids_name(export_id: str, prefix: str) -> str:
    """The keys of the users that an execution has staged, for comparing ranges. `prefix`: its `prefix_name`."""
    return work_name(export_id, f"ids-{prefix}")


def segments_name(export_id: str, prefix: str) -> str:
    """What is known of the deflated blocks that an execution has staged. `prefix`: its `prefix_name`."""
    return work_name(export_id, f"segments-{prefix}")


def members_name(export_id: str, execution: str = "") -> str:
    """The keys of a group's or unit's members; with an execution: their ids, as that execution of `plan` has read them,
    or how far that one of `report` has come."""
    return work_name(export_id, f"members-{execution}" if execution else "members")


def elsewhere_name(export_id: str, number: int) -> str:
    """The users that a range of selected users leaves to an earlier range."""
    return work_name(export_id, f"elsewhere-{number:07d}")


def report_name(export_id: str, name: str = "") -> str:
    """The registration report: says which execution has read it; with a name: what that execution has written."""
    return work_name(export_id, f"report-{name}" if name else "report.json")


def cancelled_name(export_id: str) -> str:
    """Is there from the moment in which a person cancels until the results say so; a listing of exports shows it."""
    return f"{export_id}/{CANCELLED}"


def prefix_name(number: int, segment: int, execution: str) -> str:
    """The prefix of the block ids of one execution of one range: each execution has its own."""
    return f"{number:07d}-{segment:05d}-{execution}"


def block_name(prefix: str, block: int, kind: str = "p") -> str:
    """A block's name; all have the same length. `kind`: p, a piece of the file, or s, a separator between two."""
    return f"{prefix}-{block:05d}-{kind}"
