"""One reader for every format: from a shard to batches of rows as they stand in the source."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlops.datasets.columns import Columns
    from mlops.datasets.readers.batch import Batch
    from mlops.datasets.sources.listing import Format
    from mlops.datasets.sources.shard import Shard


def read(
    shard: Shard, *, columns: Columns | None, wanted: Callable[[str], bool], judged: bool = False
) -> Iterator[Batch]:
    """Yield the rows of a shard in its own order; without `columns`, whole rows.

    A row whose column `prompt` is not `wanted` may be left out unread; it is counted. Where a reader can tell at once
    that a conversation is sound, it may hand it on as such if rows shall be `judged`. Raises DataError if the file
    cannot be opened, or is not of its format.
    """
    from mlops.datasets.readers import chitchat, csv_table, json_array, json_lines, parquet

    readers: dict[Format, Callable[..., Iterator[Batch]]] = {
        "chitchat": chitchat.read,
        "csv": csv_table.read,
        "json": json_array.read,
        "jsonl": json_lines.read,
        "parquet": partial(
            parquet.read, columns=columns.names if columns else (), judged_by=columns if judged else None
        ),
        "tsv": csv_table.read,
    }
    return readers[shard.format](shard, wanted=wanted)


def first_rows(shards: Sequence[Shard]) -> list[dict[str, Any]]:
    """Return the first rows that can be read, as they stand in the source."""
    batches = chain.from_iterable(read(shard, columns=None, wanted=lambda _: True) for shard in shards)
    firsts = ([row for _, row in batch.rows if isinstance(row, dict)] for batch in batches)
    return next((rows for rows in firsts if rows), [])
