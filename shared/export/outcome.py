"""The answer about an ended export: its results, with links to its files."""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.export import verdict
from shared.export.context import Record
from shared.export.messages import Json
from shared.files import formats, results
from shared.files.columns import authentication_of
from shared.settings import Settings
from shared.storage import blobs, sas
from shared.storage.connection import Storage
from shared.storage.names import results_name

ERRORS_SHOWN = 100
MAX_NAME_BYTES = 255
"""Of a file's name, in UTF-8: a longer one can't be saved."""
_RESULTS = ".results.json"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets the links. `id`: of a caller, or the host of a callback."""

    id: str
    reads_authentication: bool
    """May get a file with authentication columns."""


async def read_results(storage: Storage, export_id: str, errors: int = ERRORS_SHOWN) -> Json | None:
    """The results of an ended export with at most so many of its errors; None when there are none."""
    start_of_file = await blobs.read(storage, results_name(export_id), most=results.HEAD_BYTES)
    if not start_of_file:
        return None
    body = results.first_errors(start_of_file, errors)
    # The results of an older version have no `error`.
    failed = body["errors"][-1:] if body["status"] == results.FAILED else []
    return verdict.error(*failed or [None], cancelled=body["status"] == results.CANCELLED) | body


async def with_links(
    storage: Storage, settings: Settings, record: Record, body: Json, now: datetime, receiver: Receiver
) -> Json:
    """The results with links to the files, which are made for this answer and never stored. The log says for whom."""
    expires = now + timedelta(minutes=settings.sas_minutes)

    async def link(blob: str, file_name: str) -> str:
        # The storage logs it with each download, so the logs show to whom the used link was given.
        correlation = str(uuid.uuid4()) if storage.by_identity else ""
        url = await sas.link(
            storage, blob, file_name, now, expires, ip_range=settings.sas_ip_range, correlation_id=correlation
        )
        file, known = blob.rpartition("/")[2], correlation or "none"
        logging.info("Links for export %s were made for %s: %s, correlation %s", record.id, receiver.id, file, known)
        return url

    links: Json = {"expiresOn": expires.isoformat(timespec="seconds").replace("+00:00", "Z")}
    answer = {**body, "type": record.type, "download": links}
    if body.get("completedDateTime"):
        links["results"] = await link(
            results_name(record.id), _cut(record.file_name, MAX_NAME_BYTES - len(_RESULTS)) + _RESULTS
        )
    if body.get("file"):
        withheld = () if receiver.reads_authentication else authentication_of(record.columns)
        if withheld:
            reason = f"There is no link to the file, because you have no role for its columns {', '.join(withheld)}"
            reason += " (setting EXPORT_AUTHENTICATION_ROLES)."
            answer |= {"notes": [reason]}
            answer |= {"warnings": [*body["warnings"], {"code": "FileWithheld", "reason": reason}]}
        else:
            links["file"] = await link(record.file_blob_name(), body["file"]["name"])
            if record.format == formats.CSV:
                links["csv"] = links["file"]
    return answer


def _cut(name: str, most: int) -> str:
    """The beginning of a name, at most so many bytes."""
    return name.encode()[:most].decode(errors="ignore")
