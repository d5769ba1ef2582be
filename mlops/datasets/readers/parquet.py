"""Rows of Parquet files: a range of row groups, a few hundred rows at a time."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from mlops.datasets.readers.batch import Batch, unreadable
from mlops.datasets.readers.columnar import sound
from mlops.datasets.validate import Reason
from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pyarrow import Array, RecordBatch
    from pyarrow.parquet import ParquetFile

    from mlops.datasets.columns import Columns
    from mlops.datasets.sources.shard import Shard

ROWS: Final = 100
"""Rows that are decoded at once: about what a core's cache holds, and 12 MB less than with 250."""


def open_file(path: Path) -> ParquetFile:
    """Open a Parquet file.

    Raises DataError if it cannot be opened, is none, or has two columns of one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_memory_pool(pa.system_memory_pool())  # gives back what is freed; mimalloc, the default, keeps 30 MB
    try:
        file = pq.ParquetFile(path, pre_buffer=False)  # its default, True, holds whole files in memory
        names = file.schema_arrow.names
    except OSError as error:
        said = os.strerror(error.errno) if error.errno else error
        raise DataError(f"{path}: {said}; give a file that can be read") from None
    except (pa.ArrowException, UnicodeDecodeError) as error:  # the latter: a column's name is not UTF-8
        raise DataError(f"{path} is no Parquet file, or not all of it ({error}): get it again") from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{path} has two columns {', '.join(twice)}: give each column a name of its own")
    return file


def read(
    shard: Shard, *, wanted: Callable[[str], bool], columns: Sequence[str] = (), judged_by: Columns | None = None
) -> Iterator[Batch]:
    """Yield the rows of the row groups from `start` to `stop`, of these columns or of all.

    Only the column `prompt` of a row that is not `wanted` becomes Python objects. With `judged_by`, conversations that
    are plainly sound are handed on as such.
    """
    import pyarrow as pa

    file = open_file(shard.path)
    names = [name for name in columns if name in file.schema_arrow.names] or None
    stop = file.num_row_groups if shard.stop is None else shard.stop
    first = shard.first_row
    try:
        for group in range(shard.start, stop):
            # One group at a time: an iterator over all keeps the last one's pages.
            for batch in file.iter_batches(ROWS, row_groups=[group], columns=names, use_threads=False):
                yield _batch(batch, first, wanted, judged_by)
                first += len(batch)
    except (OSError, pa.ArrowException) as error:
        problem = f"{error}: this row and those after it, up to row group {stop}, are missing"
        yield Batch([(first, unreadable(Reason.BROKEN_FILE, problem, ""))])


def _batch(batch: RecordBatch, first: int, wanted: Callable[[str], bool], judged_by: Columns | None) -> Batch:
    prompts = _prompts(batch)
    places = [place for place, prompt in enumerate(prompts) if prompt is None or wanted(prompt)]
    rows = _judged(batch, prompts, judged_by) if judged_by and len(places) == len(batch) else _rows(batch, places)
    numbers = [first + place for place in places]
    return Batch(list(zip(numbers, rows, strict=True)), len(prompts) - len(places))


def _judged(batch: RecordBatch, prompts: Sequence[str | None], columns: Columns) -> list[Any]:
    """Return the rows of a batch, those that are plainly sound as such."""
    found = sound(batch, prompts, columns)
    others = [place for place, row in enumerate(found) if row is None]
    for place, row in zip(others, _rows(batch, others), strict=True):
        found[place] = row
    return found


def _prompts(batch: RecordBatch) -> list[str | None]:
    """Return the column `prompt`, with None for what is no text."""
    found: list[Any] = [None] * len(batch)
    if "prompt" in batch.schema.names:
        with suppress(UnicodeDecodeError):
            found = batch.column("prompt").to_pylist()
    return [value if isinstance(value, str) else None for value in found]


def _rows(batch: RecordBatch, places: list[int]) -> list[Any]:
    """Return some rows of a batch; `RecordBatch.take` would import pyarrow.compute, 0.5 s and 40 MB."""
    try:
        columns = [_values(column, places) for column in batch.columns]
        return [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]
    except UnicodeDecodeError:
        return [_row(batch.slice(place, 1)) for place in places]


def _values(column: Array, places: list[int]) -> list[Any]:
    """Return some values of a column; None for all if one is what Python has no value for, such as a date in 12000."""
    try:
        return column.to_pylist() if len(places) == len(column) else [column[place].as_py() for place in places]
    except UnicodeDecodeError:
        raise
    except (ValueError, KeyError, OverflowError):
        return [None] * len(places)


def _row(row: RecordBatch) -> Any:
    try:
        return dict(zip(row.schema.names, [_values(column, [0])[0] for column in row.columns], strict=True))
    except UnicodeDecodeError as error:
        return unreadable(
            Reason.NOT_UNICODE, f"a text is not UTF-8 ({error.reason} at byte {error.start})", error.object
        )
