"""Keys: 16 bytes for each user's object id, because a range remembers whom it has read.

Graph sometimes sends a user on two pages, and a chain that can't be split may remember millions.
"""

import hashlib
from collections.abc import Iterator

SIZE = 16


def key_of(user_id: str) -> bytes:
    """The id's own 16 bytes; a digest where it is no GUID."""
    try:
        key = bytes.fromhex(user_id.replace("-", ""))
    except ValueError:
        key = b""
    return key if len(key) == SIZE else hashlib.blake2b(user_id.encode(), digest_size=SIZE).digest()


def split(packed: bytes) -> Iterator[bytes]:
    """The keys that lie in one row of bytes."""
    return (packed[at : at + SIZE] for at in range(0, len(packed), SIZE))


def fresh(seen: set[bytes], key: bytes) -> bool:
    """Remembers a key; False when it was there already."""
    before = len(seen)
    seen.add(key)
    return len(seen) > before
