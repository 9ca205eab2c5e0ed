"""The activity `plan`: makes the plan of an export, or takes an earlier execution's, and shares out its ranges."""

import time

import msgspec

from shared.errors import ExportError, Transient
from shared.export import check, planning, sizes
from shared.export.context import Edges, Record, failure_of, find_record, how_ended, read_plan, read_record
from shared.export.messages import Planned, PlanTask
from shared.ranges import splitting
from shared.ranges.ranges import from_dict
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import deleted_name, place_name, plan_name, record_name, results_name


async def plan(edges: Edges, task: PlanTask) -> Planned:
    """Splits the export into ranges, and shares them out to lanes."""
    began = time.time()
    if await is_over(edges.storage, task.id):
        return Planned(over=True)
    record = await read_record(edges.storage, task.id)
    try:
        plan = await read_plan(edges.storage, record.id) or await planning.make(edges, record)
    except Transient:
        raise
    except ExportError as problem:
        return Planned(failed=failure_of(problem))
    except planning.Cancelled:
        return Planned(cancelled=True)
    plan.began = plan.began or began
    name = plan_name(record.id)
    if not await blobs.write_once(edges.storage, name, msgspec.json.encode(plan)):
        # An earlier execution was first, and lanes may already use its plan. Another plan would have other borders.
        first = await read_plan(edges.storage, record.id)
        if first is None:
            return await _without_plan(edges, record)
        plan = first
    elif await blobs.read(edges.storage, results_name(record.id), most=1) is not None:
        # This execution has outlived the export (a zombie): `clean` has run, so nobody else would remove this plan.
        await blobs.delete(edges.storage, name)
        return await _without_plan(edges, record)
    ranges = [from_dict(each) for each in plan.ranges]
    lanes = splitting.share(ranges, sizes.lanes_of(record, edges.settings))
    touched: list[int] = []
    if plan.sifted or (record.users and len(ranges) > 1):
        touched = list(range(len(ranges)))
    elif plan.delta_link:
        touched = [at for at, each in enumerate(ranges) if check.by_name(each)]
    return Planned(
        ranges=len(ranges),
        lanes=[sorted(lane, key=lambda at: at not in touched) for lane in lanes],
        check=touched,
        expected=plan.expected,
        errors=plan.errors,
        warnings=plan.warnings,
        report=plan.report or plan.sifted,
    )


async def _without_plan(edges: Edges, record: Record) -> Planned:
    end = await how_ended(edges.storage, record.id)
    return Planned(failed=end.failed, cancelled=end.cancelled)


async def is_over(storage: Storage, export_id: str) -> bool:
    """Whether the export has ended, or was even deleted: then it removes what the late POST has written."""
    if await blobs.exists(storage, results_name(export_id)):
        return True
    if not await blobs.exists(storage, deleted_name(export_id)):
        return False
    if record := await find_record(storage, export_id):
        await blobs.delete(storage, place_name(record.requested_by["id"], export_id))
        await blobs.delete(storage, record_name(export_id))
    return True
