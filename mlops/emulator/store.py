"""What the emulator remembers: one JSON document per resource, found by its ARM id, safe against `kill -9`."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Document = dict[str, Any]

# A document keeps its sequence number when it is written again: it stays as old as it is.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, parent TEXT NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS children ON resources (parent, sequence);
"""


class Store:
    """Keep documents by id; ids are paths and compare without case, as ARM's do."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # only a power failure could lose the last writes
        self._db.executescript(_SCHEMA)

    def put(self, id: str, document: Document) -> Document:  # noqa: A002 - ARM's word
        """Write the document whole; a new one becomes the youngest child of its parent path."""
        key, parent = id.lower(), id.lower().rpartition("/")[0]
        self._db.execute(
            "INSERT INTO resources (id, parent, body) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (key, parent, orjson.dumps(document)),
        )
        return document

    def get(self, id: str) -> Document | None:  # noqa: A002 - ARM's word
        """Return the document, or None."""
        row = self._db.execute("SELECT body FROM resources WHERE id = ?", (id.lower(),)).fetchone()
        return orjson.loads(row[0]) if row else None

    def children(self, parent: str) -> list[Document]:
        """Return the documents directly under a path, youngest first."""
        return [document for _, document in self.walk(parent)]

    def walk(self, parent: str, *, before: int | None = None) -> Iterator[tuple[int, Document]]:
        """Yield the documents directly under a path with their sequence numbers, youngest first.

        They are read as they are asked for; `before` goes on after the one of that number.
        """
        query, values = "SELECT sequence, body FROM resources WHERE parent = ?", [parent.lower()]
        bound = "" if before is None else f" AND sequence < {before:d}"
        for sequence, body in self._db.execute(f"{query}{bound} ORDER BY sequence DESC", values):
            yield sequence, orjson.loads(body)

    def count(self, kind: str) -> int:
        """Return how many ARM resources of a kind, the last word of their parent path, there are."""
        query = "SELECT COUNT(*) FROM resources WHERE parent LIKE '/subscriptions/%/' || ?"
        return int(self._db.execute(query, (kind.lower(),)).fetchone()[0])

    def delete(self, id: str) -> None:  # noqa: A002 - ARM's word
        """Remove the document and everything under its path."""
        key = id.lower()
        self._db.execute("DELETE FROM resources WHERE id = ? OR (id > ? AND id < ?)", (key, f"{key}/", f"{key}0"))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write all that is written in this block, or nothing of it; nothing may be awaited there."""
        if self._db.in_transaction:  # part of what is written together already
            yield
            return
        with self._db:  # which commits, or rolls back
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def close(self) -> None:
        """Close the file; nothing is lost if this never happens."""
        self._db.close()
