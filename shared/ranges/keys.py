"""Keys: 16 bytes for a user's object id. With them a range remembers the users that it has read.

Graph sometimes sends a user on two pages, and a chain that can't be split may have to remember millions.
"""

import hashlib
from collections.abc import Iterator

SIZE = 16


def key_of(user_id: str) -> bytes:
    """The 16 bytes of a GUID; a digest of any other id."""
    try:
        key = bytes.fromhex(user_id.replace("-", ""))
    except ValueError:
        key = b""
    return key if len(key) == SIZE else hashlib.blake2b(user_id.encode(), digest_size=SIZE).digest()


def split(packed: bytes) -> Iterator[bytes]:
    """The keys in joined bytes."""
    return (packed[at : at + SIZE] for at in range(0, len(packed), SIZE))


def fresh(seen: set[bytes], key: bytes) -> bool:
    """Remembers a key. False when it was already known."""
    before = len(seen)
    seen.add(key)
    return len(seen) > before


def all_fresh(seen: set[bytes], keys: list[bytes]) -> list[bool]:
    """The same for each of these keys."""
    if len({*keys}) == len(keys) and seen.isdisjoint(keys):  # So it is on nearly every page.
        seen.update(keys)
        return [True] * len(keys)
    return [fresh(seen, key) for key in keys]
