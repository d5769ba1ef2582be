"""The part of a source that one worker reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.datasets.settings import SplitName
    from mlops.datasets.sources.listing import Format


@dataclass(frozen=True)
class Shard:
    """Rows `start` to `stop` of a file.

    `file` is the name shown to people, `split` is ours (None if the source has no splits). `start` and `stop` count
    bytes of a JSON Lines file and row groups of a parquet file; a `stop` of None is the end. `first_row` is the number
    in the file, from 1, of the first row.
    """

    file: str
    path: Path
    split: SplitName | None
    format: Format
    start: int = 0
    stop: int | None = None
    first_row: int = 1
