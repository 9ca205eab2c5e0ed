"""Where the engine keeps everything: one SQLite file in WAL mode, shared by the host and its workers.

- `instances` has a row for each orchestration; `history` its events, one JSON text a row, appended and
  never written again.
- `messages` wait for an instance: what started it, completions, raised events. A timer is a message that
  is visible from its fire time on.
- `tasks` are activities that have not completed. Completing one deletes its row and puts a message in the
  same transaction, so a second completion of the same task finds nothing to complete.
- `workers` holds who is alive until when. A task or an instance whose owner is not alive is free: one row
  renewed by a heartbeat is the lease of everything that the worker owns.

Each step of the engine is one transaction, so a `kill -9` at any moment leaves either the state before it
or the state after it.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Event = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS instances (
    id TEXT PRIMARY KEY, execution TEXT NOT NULL, name TEXT NOT NULL, input TEXT,
    output TEXT, custom_status TEXT,
    status TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
    owner TEXT, turn TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    instance TEXT NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (instance, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL, visible REAL NOT NULL, event TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_instance ON messages (instance);
CREATE INDEX IF NOT EXISTS messages_visible ON messages (visible);
CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL, execution TEXT NOT NULL,
    task INTEGER NOT NULL, name TEXT NOT NULL, input TEXT, created REAL NOT NULL, owner TEXT,
    UNIQUE (instance, execution, task)
);
CREATE TABLE IF NOT EXISTS workers (id TEXT PRIMARY KEY, alive_until REAL NOT NULL) WITHOUT ROWID;
"""

RUNNING = ("Pending", "Running")


def connect(path: Path) -> sqlite3.Connection:
    """Open the store, made on first use. One connection a thread; transactions are begun by hand.

    `synchronous=NORMAL` survives the death of any process, though perhaps not a power cut: that is the
    promise needed on a developer's machine, and it makes a commit cost microseconds.
    """
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.executescript(SCHEMA)
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything inside happens, or none of it. Takes the write lock at once: no upgrade can fail half-way."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def now() -> float:
    return time.time()


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as the extension writes them into history: without zeros at the end."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"


def seconds(text: str) -> float:
    """The opposite of `timestamp`, for any ISO 8601 text; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def put_message(db: sqlite3.Connection, instance: str, event: Event, visible: float | None = None) -> None:
    """Leave an event for an instance. `visible`: the time from which it can be taken; now by default."""
    db.execute(
        "INSERT INTO messages (instance, visible, event) VALUES (?, ?, ?)",
        (instance, now() if visible is None else visible, json.dumps(event)),
    )


def heartbeat(db: sqlite3.Connection, worker: str, lease: float) -> None:
    """Renew everything that the worker owns for `lease` seconds."""
    db.execute("INSERT OR REPLACE INTO workers (id, alive_until) VALUES (?, ?)", (worker, now() + lease))


def release(db: sqlite3.Connection, worker: str) -> None:
    """A worker that goes in good order gives its work back at once."""
    db.execute("DELETE FROM workers WHERE id = ?", (worker,))
