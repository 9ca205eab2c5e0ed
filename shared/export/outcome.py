"""What is said of an ended export: its results, with links to its files."""

from datetime import datetime, timedelta

from shared.export.context import Record
from shared.export.messages import Json
from shared.files import results
from shared.settings import Settings
from shared.storage import blobs
from shared.storage.blobs import Storage
from shared.storage.names import csv_name, results_name

ERRORS_SHOWN = 100
MAX_NAME_BYTES = 255
"""Of a file's name, in UTF-8: more, and it can't be saved."""
_RESULTS = ".results.json"


async def read_results(storage: Storage, export_id: str, errors: int = ERRORS_SHOWN) -> Json | None:
    """The results of an ended export with at most so many of its errors; None when there are none."""
    start_of_file = await blobs.read(storage, results_name(export_id), most=results.HEAD_BYTES)
    return results.first_errors(start_of_file, errors) if start_of_file else None


async def with_links(storage: Storage, settings: Settings, record: Record, found: Json, now: datetime) -> Json:
    """The results with links to the files, made for this answer and stored nowhere."""
    expires = now + timedelta(minutes=settings.sas_minutes)
    links: Json = {"expiresOn": expires.isoformat(timespec="seconds").replace("+00:00", "Z")}
    if found.get("completedDateTime"):
        name = _cut(record.file_name, MAX_NAME_BYTES - len(_RESULTS)) + _RESULTS
        links["results"] = await blobs.link(storage, results_name(record.id), name, now, expires)
    if found.get("file"):
        links["csv"] = await blobs.link(
            storage, csv_name(record.id, record.file_name), found["file"]["name"], now, expires
        )
    return {**found, "download": links}


def _cut(name: str, most: int) -> str:
    """The beginning of a name that has so many bytes at most."""
    return name.encode()[:most].decode(errors="ignore")
