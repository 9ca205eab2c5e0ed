"""An Idempotency-Key belongs to one request of one caller, and to the export that was started for it.

1. The first POST writes the id of its export and the fingerprint of its body under the key.
2. A later POST with the key gets that export, or is refused when its body is different.
3. A first POST that is refused gives its key back, because the key has started nothing. A later POST that is about to
   start the export first writes into the same blob that the key is kept. Only one of the two succeeds: each changes the
   blob only if it is still as it was read (ETag).
"""

from dataclasses import dataclass, replace

from shared.api.problems import KeyReused
from shared.storage import blobs, tagged
from shared.storage.connection import Storage


@dataclass(frozen=True, slots=True)
class Key:
    """The content of a key's blob. `fingerprint`: empty when an older version wrote it; it then equals any other."""

    export_id: str
    fingerprint: str = ""
    kept: bool = False


async def take(storage: Storage, name: str, key: Key) -> tuple[Key, bool]:
    """The content under the key, and whether this call wrote it. Raises KeyReused."""
    while True:
        if await blobs.write_once(storage, name, _encode(key)):
            return key, True
        if current := await find(storage, name, key.fingerprint):
            return current, False
        # It was just given back.


async def find(storage: Storage, name: str, fingerprint: str) -> Key | None:
    """The content under the key; None when it was not used yet. Raises KeyReused."""
    content = await blobs.read(storage, name)
    key = _decode(content) if content else None
    if key and key.fingerprint and fingerprint and key.fingerprint != fingerprint:
        raise KeyReused
    return key


async def keep(storage: Storage, name: str, key: Key) -> bool:
    """Makes sure that the key will not be given back; False when it already was."""
    while blob := await tagged.read(storage, name):
        content, etag = blob
        current = _decode(content)
        if current.export_id != key.export_id:
            return False
        if current.kept or await tagged.replace(storage, name, _encode(replace(current, kept=True)), etag):
            return True
    return False


async def give_back(storage: Storage, name: str, key: Key) -> None:
    """Removes the key as it was taken; one that is kept stays."""
    if blob := await tagged.read(storage, name):
        content, etag = blob
        if _decode(content) == key:
            await tagged.delete(storage, name, etag)


def _encode(key: Key) -> bytes:
    return "\n".join([key.export_id, key.fingerprint, *(["kept"] if key.kept else [])]).encode()


def _decode(text: bytes) -> Key:
    export_id, fingerprint, kept = [*text.decode().split("\n"), "", ""][:3]
    return Key(export_id, fingerprint, bool(kept))
