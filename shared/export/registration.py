"""The activity `report`: reads the tenant's registration report once for an export; and how its lanes look users up.

A row of it is a user's key and the number of what is registered: few different answers are shared by a million users,
so that a row costs 20 bytes. Segment by segment the rows go to blobs. At the end they are dealt out to 16 partitions
by the first digit of the key, each sorted. A process holds them once, whatever number of lanes it reads.
"""

import secrets
from dataclasses import dataclass

import msgspec

from shared.errors import ChainBroken, ExportError, Transient
from shared.export import members
from shared.export.context import Edges, failure_of, how_ended, read_plan, read_record, share
from shared.export.execution import MAX_RESTARTS, is_cancelled, is_late, watch
from shared.export.messages import Json, Reported, ReportTask
from shared.files.columns import REGISTRATION, columns_of
from shared.graph import lists
from shared.graph.registration import PATH, Details, registration_of
from shared.graph.user_parts import Registration
from shared.ranges.keys import SIZE, key_of
from shared.storage import blobs
from shared.storage.names import report_name

PARTITIONS = 16
_BEGIN = "begin"
"""A state: the members are read, and nothing of the report."""
_ROW = SIZE + 4
"""Bytes: the key, and the place in the list of answers."""


class _Answers(msgspec.Struct):
    """Which execution has read the report to its end, and the different answers in it."""

    execution: str
    answers: list[Registration]


class _State(msgspec.Struct):
    link: str = ""
    runs: list[str] = []
    answers: list[Registration] = []
    restarts: int = 0


@dataclass(frozen=True)
class Report:
    """The whole report: sorted rows by the first digit of their keys, and the answers that they point to."""

    partitions: tuple[bytes, ...]
    answers: list[Registration]

    def of(self, user_id: str) -> Registration | None:
        """What it says of a user; None when it does not know the user."""
        key = key_of(user_id)
        partition = self.partitions[key[0] * PARTITIONS >> 8]
        low, high = 0, len(partition) // _ROW
        while low < high:
            middle = (low + high) // 2
            if partition[middle * _ROW : middle * _ROW + SIZE] < key:
                low = middle + 1
            else:
                high = middle
        row = partition[low * _ROW : (low + 1) * _ROW]
        return self.answers[int.from_bytes(row[SIZE:])] if row[:SIZE] == key else None


async def load(edges: Edges, export_id: str) -> Report | None:
    """The report of an export, read once for all ranges that a process reads; None when it could not be read."""
    return await share(edges, report_name(export_id), lambda: _load(edges, export_id))


async def _load(edges: Edges, export_id: str) -> Report | None:
    data = await blobs.read(edges.storage, report_name(export_id))
    if data is None:
        return None
    whole = msgspec.json.decode(data, type=_Answers)
    partitions = [
        await blobs.read(edges.storage, report_name(export_id, f"{whole.execution}-{partition:x}"))
        for partition in range(PARTITIONS)
    ]
    if None in partitions:
        raise ExportError("StateLost", "A partition of the registration report can't be found.")
    return Report(tuple(partition or b"" for partition in partitions), whole.answers)


async def report(edges: Edges, task: ReportTask) -> Reported:
    """Reads on for about two minutes: first the members of a large group or unit, then the registration report.

    What Graph refuses of the report is an error of its columns, and no user is lost by it; without the members the
    export fails.
    """
    record = await read_record(edges.storage, task.id)
    plan = await read_plan(edges.storage, record.id)
    if plan is None:
        end = await how_ended(edges.storage, record.id)
        return Reported(failed=end.failed, cancelled=end.cancelled)
    if plan.sifted and (not task.state or task.state.startswith(members.NAME)):
        done = await members.read_all(edges, record.id, task.state)
        go_on = plan.report and not (done.state or done.failed or done.cancelled)
        return msgspec.structs.replace(done, state=_BEGIN) if go_on else done
    try:
        return await _read(edges, task)
    except Transient:
        raise
    except ExportError as problem:
        headers = [column.header for column in columns_of(record.columns) if column.source == REGISTRATION]
        return Reported(errors=[_entry(problem, headers)] if headers else [])


def _entry(problem: ExportError, headers: list[str]) -> Json:
    entry: Json = {"code": problem.code, "reason": failure_of(problem).reason, "column": ", ".join(headers)}
    return {**entry, "requestId": problem.request_id} if problem.request_id else entry


async def _read(edges: Edges, task: ReportTask) -> Reported:
    state, execution = await _read_state(edges, task), secrets.token_hex(6)
    numbers = {msgspec.json.encode(answer): at for at, answer in enumerate(state.answers)}
    rows, watched, link = bytearray(), watch(edges, task.id), None
    try:
        async for page, link in lists.read(edges.graph, f"{PATH}?$top=999", Details, state.link):
            for each in page:
                answer = registration_of(each)
                number = numbers.setdefault(msgspec.json.encode(answer), len(state.answers))
                if number == len(state.answers):
                    state.answers.append(answer)
                rows += key_of(each.id) + number.to_bytes(4)
            if await is_cancelled(watched):
                return Reported(cancelled=True)
            if link and is_late(watched):
                break
    except ChainBroken:
        if state.restarts >= MAX_RESTARTS:
            raise
        return await _keep_state(edges, task.id, execution, _State(restarts=state.restarts + 1))
    state.runs.append(f"run-{execution}")
    await blobs.write(edges.storage, report_name(task.id, state.runs[-1]), bytes(rows))
    if link:
        state.link = link
        return await _keep_state(edges, task.id, execution, state)
    await _deal(edges, task.id, execution, state)
    return Reported()


async def _keep_state(edges: Edges, export_id: str, execution: str, state: _State) -> Reported:
    name = f"state-{execution}"
    await blobs.write(edges.storage, report_name(export_id, name), msgspec.msgpack.encode(state))
    return Reported(state=name)


async def _read_state(edges: Edges, task: ReportTask) -> _State:
    if task.state in {"", _BEGIN}:
        return _State()
    data = await blobs.read(edges.storage, report_name(task.id, task.state))
    if data is None:
        raise ExportError("StateLost", "What was read of the registration report can't be found.")
    return msgspec.msgpack.decode(data, type=_State)


async def _deal(edges: Edges, export_id: str, execution: str, state: _State) -> None:
    """Writes the sorted partitions, and notes that they are whole; of two executions the first counts."""
    partitions = [bytearray() for _ in range(PARTITIONS)]
    for run in state.runs:
        rows = await blobs.read(edges.storage, report_name(export_id, run))
        if rows is None:
            raise ExportError("StateLost", "What was read of the registration report can't be found.")
        for at in range(0, len(rows), _ROW):
            partitions[rows[at] * PARTITIONS >> 8] += rows[at : at + _ROW]
    for number, partition in enumerate(partitions):
        ordered = sorted(partition[at : at + _ROW] for at in range(0, len(partition), _ROW))
        partition.clear()
        await blobs.write(edges.storage, report_name(export_id, f"{execution}-{number:x}"), b"".join(ordered))
    whole = msgspec.json.encode(_Answers(execution, state.answers))
    await blobs.write_once(edges.storage, report_name(export_id), whole)
