"""Keys: 16 bytes for each user's object id, and sets of them in as little memory as Python allows.

A range remembers whom it has read, because Graph sometimes sends a user on two pages; a chain that can't be split
remembers millions. A set of Python's takes 90 bytes for each, a row of keys in one `bytes` for some dozen of them 21.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

SIZE = 16
BUCKETS = 2048


def key_of(user_id: str) -> bytes:
    """The id's own 16 bytes; a digest where it is no GUID."""
    try:
        key = bytes.fromhex(user_id.replace("-", ""))
    except ValueError:
        key = b""
    return key if len(key) == SIZE else hashlib.blake2b(user_id.encode(), digest_size=SIZE).digest()


def split(packed: bytes) -> Iterator[bytes]:
    """The keys that lie in one row."""
    return (packed[at : at + SIZE] for at in range(0, len(packed), SIZE))


@dataclass(slots=True)
class KeySet:
    """A set of keys, each in the row of its bucket."""

    rows: list[bytes] = field(default_factory=lambda: [b""] * BUCKETS)

    def has(self, key: bytes) -> bool:
        row = self.rows[hash(key) % BUCKETS]
        at = row.find(key)
        while at > 0 and at % SIZE:  # Not a key, but the end of one and the beginning of the next.
            at = row.find(key, at + 1)
        return at >= 0

    def add(self, key: bytes) -> bool:
        """False when it was there already."""
        if self.has(key):
            return False
        self.rows[hash(key) % BUCKETS] += key
        return True

    def packed(self) -> bytes:
        return b"".join(self.rows)


def set_of(packed: bytes) -> KeySet:
    """The keys that lie in one row, as a set."""
    found = KeySet()
    for key in split(packed):
        found.add(key)
    return found
