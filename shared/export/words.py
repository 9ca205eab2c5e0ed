"""The reasons of errors stay out of Durable's history, because Graph puts parts of a filter or of users into them.

An activity writes the reason into a blob of the export's work and returns a token. `publish` puts the reason back, and
`clean` removes the blobs. So the history has only the code and the request-id, and the results have everything.
"""

import hashlib
import re

from shared.errors import ExportError
from shared.export.messages import Json
from shared.storage import blobs
from shared.storage.connection import Storage
from shared.storage.names import results_name, work_name

_TOKEN = re.compile(r"words-[0-9a-f]{32}")


async def put_away(storage: Storage, export_id: str, answer: Json) -> Json:
    """An activity's answer with tokens for the reasons in it."""
    failed, errors = answer.get("failed"), answer.get("found", [])
    # StateLost has no text of Graph, and means that the export's work is gone: nothing is written there.
    for entry in [*([failed] if failed and failed["code"] != "StateLost" else []), *errors]:
        entry["reason"] = await _token(storage, export_id, entry["reason"])
    return answer


async def put_away_of(storage: Storage, export_id: str, problem: ExportError) -> ExportError:
    """The error to raise in place of the problem. Durable keeps its text, and that of the exception before it."""
    token = await _token(storage, export_id, problem.reason)
    request = f" (request-id {problem.request_id})" if problem.request_id else ""
    return ExportError(problem.code, f"{token}{request}")


async def put_back(storage: Storage, export_id: str, entries: list[Json]) -> list[Json]:
    """The entries of the results with their reasons."""
    return [{**each, "reason": await _words(storage, export_id, each["reason"])} for each in entries]


async def _token(storage: Storage, export_id: str, words: str) -> str:
    # The same words give the same blob, also when an activity is run again.
    token = f"words-{hashlib.blake2b(words.encode(), key=export_id.encode()[:64], digest_size=16).hexdigest()}"
    # An execution that outlives the export (a zombie) writes nothing, because nobody would remove it.
    if not await blobs.exists(storage, results_name(export_id)):
        await blobs.write(storage, work_name(export_id, token), words.encode())
    return token


async def _words(storage: Storage, export_id: str, text: str) -> str:
    for token in set(_TOKEN.findall(text)):
        data = await blobs.read(storage, work_name(export_id, token))
        text = text.replace(token, data.decode() if data else "The reason was lost.")
    return text
