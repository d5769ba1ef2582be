"""What a rollout did, line by line: each intention is on disk before it is acted upon."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.errors import RecordError


@dataclass(frozen=True)
class Journal:
    """A file of JSON lines that only grows."""

    path: Path

    def write(self, **entry: Any) -> None:
        """Add an entry, and return when it is on disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """Return all entries; the last line is left out if it was cut off while it was written.

        Raises RecordError, naming the line, if another one cannot be read.
        """
        if not self.path.is_file():
            return []
        entries = []
        lines = self.path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                entries.append(json.loads(line))
            except ValueError:
                raise RecordError(f"{self.path}, line {number}: not readable as JSON. Move the file away") from None
        return entries


def of(folder: Path) -> Journal:
    """Return the journal of the rollout in a run's folder."""
    return Journal(folder / "rollout.jsonl")
