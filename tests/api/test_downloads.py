"""A file of any format is downloaded by its link: under its name, with its type, whole or in parts."""

import gzip
import io
import json
import zipfile
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import httpx
import pytest

from tests.api.api_client import Api, program

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILES: list[tuple[dict[str, Any], str, str]] = [
    ({}, ".csv", "text/csv; charset=utf-8"),
    ({"separator": ";"}, ".csv", "text/csv; charset=utf-8"),
    ({"compress": True}, ".csv.gz", "application/gzip"),
    ({"format": "jsonl"}, ".jsonl", "application/jsonl; charset=utf-8"),
    ({"format": "jsonl", "compress": True}, ".jsonl.gz", "application/gzip"),
    ({"format": "xlsx"}, ".xlsx", WORKBOOK),
]


def users_in(content: bytes, ending: str) -> int:
    """How many users the file has, read as its ending says."""
    if ending == ".xlsx":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            return archive.read("xl/worksheets/sheet1.xml").count(b"<row>") - 1
    plain = gzip.decompress(content) if ending.endswith(".gz") else content
    if ending.startswith(".jsonl"):
        return len([json.loads(line) for line in plain.splitlines()])
    return plain.decode("utf-8-sig").count("\r\n") - 1


@pytest.mark.parametrize(("request_", "ending", "kind"), FILES, ids=str)
def test_a_download_has_its_name_and_type_and_comes_in_parts(
    api: Api, request_: dict[str, Any], ending: str, kind: str
) -> None:
    app = api.as_caller(program(uuid4().hex))
    columns = ["objectId", "accountEnabled"]
    found = app.run(fileName="Ünïcode-用户; x", columns=columns, **request_)
    link, size = found["download"]["file"], found["file"]["bytes"]
    assert ("csv" in found["download"]) == ending.startswith(".csv")
    with httpx.Client(trust_env=False) as http:
        whole = http.get(link, headers={"Accept-Encoding": "identity"})
        assert whole.status_code == 200
        assert len(whole.content) == int(whole.headers["Content-Length"]) == size
        # A browser would unpack what says that it is encoded, and save it under the wrong name.
        assert "Content-Encoding" not in whole.headers
        assert whole.headers["Content-Type"] == kind
        disposition = whole.headers["Content-Disposition"]
        assert disposition.startswith("attachment; ")
        assert unquote(disposition.partition("filename*=UTF-8''")[2]) == f"Ünïcode-用户; x{ending}"
        assert users_in(whole.content, ending) == found["file"]["rows"] == 40
        parts = []
        for first in range(0, size, size // 3 + 1):
            last = min(first + size // 3, size - 1)
            part = http.get(link, headers={"Range": f"bytes={first}-{last}"})
            assert (part.status_code, part.headers["Content-Range"]) == (206, f"bytes {first}-{last}/{size}")
            parts.append(part.content)
    assert b"".join(parts) == whole.content
