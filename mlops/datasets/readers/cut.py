"""A large file cut into shards, so that it feeds several workers."""

from __future__ import annotations

from dataclasses import replace
from typing import IO, TYPE_CHECKING, Final

from mlops.datasets.readers import parquet
from mlops.datasets.readers.stream import COMPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlops.datasets.sources.shard import Shard

SHARD_BYTES: Final = 16 << 20
"""How much of a file one shard is."""
PIECE: Final = 1 << 20


def cut(whole: Shard) -> list[Shard]:
    """Return the shards of a file, in order; one whose format cannot be entered in the middle is one shard.

    Raises DataError for a parquet file that is none.
    """
    if whole.format == "parquet":
        return list(_row_groups(whole))
    if whole.format == "jsonl" and _is_large(whole.path) and whole.path.suffix.lower() not in COMPRESSIONS:
        return list(_byte_ranges(whole))
    return [whole]


def _is_large(path: Path) -> bool:
    return path.stat().st_size > SHARD_BYTES


def _row_groups(whole: Shard) -> Iterator[Shard]:
    """Cut a parquet file between its row groups."""
    metadata = parquet.open_file(whole.path).metadata
    start, first_row, size, rows = 0, 1, 0, 0
    for index in range(metadata.num_row_groups):
        group = metadata.row_group(index)
        if size and size + group.total_byte_size > SHARD_BYTES:
            yield replace(whole, start=start, stop=index, first_row=first_row)
            start, first_row, size, rows = index, first_row + rows, 0, 0
        size, rows = size + group.total_byte_size, rows + group.num_rows
    yield replace(whole, start=start, stop=metadata.num_row_groups, first_row=first_row)


def _byte_ranges(whole: Shard) -> Iterator[Shard]:
    """Cut a JSON Lines file after the line breaks that follow each `SHARD_BYTES`; lines are counted on the way."""
    start, first_row = 0, 1
    with whole.path.open("rb") as file:
        while num_lines := sum(file.read(PIECE).count(b"\n") for _ in range(SHARD_BYTES // PIECE)) + _end_line(file):
            yield replace(whole, start=start, stop=file.tell(), first_row=first_row)
            start, first_row = file.tell(), first_row + num_lines


def _end_line(file: IO[bytes]) -> bool:
    return bool(file.readline())
