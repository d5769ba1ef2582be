"""What the emulator remembers: one JSON document per resource, found by its ARM id, safe against `kill -9`."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Document = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, parent TEXT NOT NULL, sequence INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS children ON documents (parent, sequence);
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
            "INSERT INTO documents VALUES (?, ?, (SELECT COALESCE(MAX(sequence), 0) + 1 FROM documents), ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (key, parent, json.dumps(document)),
        )
        return document

    def get(self, id: str) -> Document | None:  # noqa: A002 - ARM's word
        """Return the document, or None."""
        row = self._db.execute("SELECT body FROM documents WHERE id = ?", (id.lower(),)).fetchone()
        return json.loads(row[0]) if row else None

    def children(self, parent: str) -> list[Document]:
        """Return the documents directly under a path, youngest first."""
        rows = self._db.execute("SELECT body FROM documents WHERE parent = ? ORDER BY sequence DESC", (parent.lower(),))
        return [json.loads(body) for (body,) in rows]

    def count(self, kind: str) -> int:
        """Return how many ARM resources of a kind, the last word of their parent path, there are."""
        query = "SELECT COUNT(*) FROM documents WHERE parent LIKE '/subscriptions/%/' || ?"
        return int(self._db.execute(query, (kind.lower(),)).fetchone()[0])

    def delete(self, id: str) -> None:  # noqa: A002 - ARM's word
        """Remove the document and everything under its path."""
        key = id.lower()
        self._db.execute("DELETE FROM documents WHERE id = ? OR (id > ? AND id < ?)", (key, f"{key}/", f"{key}0"))

    def close(self) -> None:
        """Close the file; nothing is lost if this never happens."""
        self._db.close()
