"""Exports all users with what openapi-generator has made of the contract. Argument: the address of the API."""

import csv
import json
import sys
import time

import httpx
from made_by_openapi_generator import (
    ApiClient,
    ApiException,
    ColumnChoice,
    ColumnsApi,
    ColumnSet,
    Configuration,
    Export,
    ExportRequest,
    ExportsApi,
    ExportStatus,
)

client = ApiClient(Configuration(host=sys.argv[1]))
exports = ExportsApi(client)


def run(request: ExportRequest) -> Export:
    export = exports.start_export(request)
    while export.status in {ExportStatus.NOTSTARTED, ExportStatus.INPROGRESS}:
        time.sleep(0.2)
        export = exports.show_export(export.id)
    return export


def refusal(request: ExportRequest) -> ApiException:
    try:
        run(request)
    except ApiException as problem:
        return problem
    raise AssertionError("It was not refused.")


catalog = ColumnsApi(client).list_columns()
assert catalog.sets.profile
export = run(ExportRequest(columns=ColumnChoice(["objectId", "userPrincipalName"]), fileName="generator"))
rows = list(csv.DictReader(httpx.get(export.download.csv).content.decode("utf-8-sig").splitlines()))
failed = refusal(ExportRequest(filter="noSuchProperty eq 'x'", columns=ColumnChoice(ColumnSet.PROFILE)))
refused = refusal(ExportRequest(filter="userType eq 'Guest'", users=["a@example.com"]))
assert export.id in {each.id for each in exports.list_exports(status=ExportStatus.COMPLETED, top=5).value}
told = {"status": export.status, "users": len({row["objectId"] for row in rows}), "counted": export.counts.exported}
print(json.dumps(told | {"reason": failed.data.error.message, "problem": refused.data.detail}))
