"""Rows of a CSV or TSV file with a header; every cell is text."""

from __future__ import annotations

import csv
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from mlops.datasets.readers.batch import Batch, NumberedRow, Unreadable, batches, unreadable
from mlops.datasets.readers.stream import BrokenFileError, open_text
from mlops.datasets.validate import Reason
from mlops.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Callable, Iterator

    from mlops.datasets.sources.shard import Shard

MAX_CHARACTERS = 64 << 20
"""A cell longer than this is no text, but a quote that is never closed."""

OPEN_AT_END: Final = "unexpected end of data"
"""What the parser says when the file ends within quotes."""


def read(shard: Shard, *, wanted: Callable[[str], bool]) -> Iterator[Batch]:
    """Yield the records under the header, numbered from 1; a record may have several lines.

    Raises DataError if the header cannot be read, or names a column twice.
    """
    csv.field_size_limit(MAX_CHARACTERS)
    with open_text(shard.path) as text:
        records = csv.reader(text, delimiter="\t" if shard.format == "tsv" else ",", strict=True)
        yield from batches(_rows(records, _header(records, shard)), wanted=wanted)


def _header(records: Reader, shard: Shard) -> list[str]:
    try:
        header = next(records, [])
    except (csv.Error, BrokenFileError) as error:
        raise DataError(
            f"{shard.file}: its header cannot be read ({error}); the first line must name the columns"
        ) from None
    if any("\udc80" <= character <= "\udcff" for character in "".join(header)):
        raise DataError(f"{shard.file}: its header is not UTF-8; save it as UTF-8")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{shard.file}: its header names {', '.join(twice)} twice: give each column a name of its own")
    return header


def _rows(records: Reader, header: list[str]) -> Iterator[NumberedRow]:
    for number in count(1):
        first_line = records.line_num + 1
        try:
            yield number, _row(header, next(filter(None, records)))
        except StopIteration:
            return
        except csv.Error as error:
            if str(error) == OPEN_AT_END:
                message = f"a quote is open from line {first_line} on: the rows behind it cannot be told apart"
                yield number, unreadable(Reason.BROKEN_FILE, message, "")
                return
            message = f"lines {first_line} to {records.line_num} are no record ({error}): is a quote left open?"
            yield number, unreadable(Reason.NOT_CSV, message, "")
        except BrokenFileError as error:
            yield number, unreadable(Reason.BROKEN_FILE, f"{error}: this row and those after it are missing", "")
            return


def _row(header: list[str], cells: list[str]) -> dict[str, Any] | Unreadable:
    if len(cells) != len(header):
        message = f"the row has {len(cells)} cells, the header {len(header)}"
        return unreadable(Reason.WRONG_CELLS, message, ", ".join(cells))
    return dict(zip(header, cells, strict=True))
