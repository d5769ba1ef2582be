"""One reader for every format: from a shard to batches of rows as they stand in the source."""

from __future__ import annotations

from functools import partial
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from mlops.datasets.columns import recognized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mlops.datasets.columns import Columns
    from mlops.datasets.readers.batch import Batch
    from mlops.datasets.settings import ColumnName
    from mlops.datasets.sources.listing import Format
    from mlops.datasets.sources.shard import Shard

MOST_BATCHES: Final = 100
"""Batches of a file in which a first conversation is looked for."""


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


def first_rows(whole: Shard, given: Mapping[ColumnName, str], most: int) -> list[dict[str, Any]]:
    """Return rows near the beginning of a file, as they stand there: those first in which a conversation is recognized.

    `given` is what the settings say of the columns.
    """
    batches = islice(read(whole, columns=None, wanted=lambda _: True), MOST_BATCHES)
    found: list[dict[str, Any]] = []
    for batch in batches:
        rows = [row for _, row in batch.rows if isinstance(row, dict)]
        unknown = [recognized([row], given) is None for row in rows]
        if not all(unknown):
            return [row for _, row in sorted(zip(unknown, rows, strict=True), key=itemgetter(0))][:most]
        found = found or rows
    return found[:most]
