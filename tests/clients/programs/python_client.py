"""Exports all users with what openapi-python-client has made of the contract. Argument: the address of the API."""

import csv
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from made_by_python_client import Client
from made_by_python_client.api.columns import list_columns
from made_by_python_client.api.exports import list_exports, show_export, start_export
from made_by_python_client.models import ColumnName, ColumnSet, Export, ExportRequest, ExportStatus, Problem

client = Client(base_url=sys.argv[1])


def run(request: ExportRequest) -> Export:
    started = start_export.sync(client=client, body=request)
    assert isinstance(started, Export), started
    while True:
        export = show_export.sync(started.id, client=client)
        assert isinstance(export, Export), export
        if export.status not in {ExportStatus.NOTSTARTED, ExportStatus.INPROGRESS}:
            return export
        time.sleep(0.2)


names = [column.header for column in list_columns.sync(client=client).columns]
assert names[0] is ColumnName.USERPRINCIPALNAME
export = run(ExportRequest(columns=[ColumnName.OBJECTID, ColumnName.USERPRINCIPALNAME], file_name="python"))
rows = list(csv.DictReader(httpx.get(export.download.csv).content.decode("utf-8-sig").splitlines()))
failed = run(ExportRequest(filter_="noSuchProperty eq 'x'", columns=ColumnSet.PROFILE))
refused = start_export.sync(client=client, body=ExportRequest(file_name="a/b"))
assert isinstance(refused, Problem)
listed = list_exports.sync(client=client, status=ExportStatus.COMPLETED, top=5)
assert export.id in {each.id for each in listed.value}


def post(number: int) -> int:
    request = ExportRequest(columns=ColumnSet.PROFILE, file_name=f"at-once-{number}")
    return int(start_export.sync_detailed(client=client, body=request, idempotency_key="python").status_code)


# One key, twelve different requests at the same moment.
with ThreadPoolExecutor(12) as threads:
    statuses = sorted(threads.map(post, range(12)))
told = {"status": export.status, "users": len({row["objectId"] for row in rows}), "counted": export.counts.exported}
print(json.dumps(told | {"reason": failed.error.message, "problem": refused.detail, "statuses": statuses}))
