"""Rows of a JSON file that is one array, read piece by piece so that its size does not matter."""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any

from mlops.datasets.readers import json_lines
from mlops.datasets.readers.batch import Batch, NumberedRow, Unreadable, batches, not_an_object, unreadable
from mlops.datasets.readers.stream import BrokenFileError, open_text
from mlops.datasets.validate import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlops.datasets.sources.shard import Shard

PIECE = 1 << 20
"""Characters that are read at a time."""
MAX_CHARACTERS = 64 << 20
"""An element longer than this is no conversation, but a file that is not closed where it should be."""
BETWEEN = re.compile(r"[\s,]*")


def read(shard: Shard, *, wanted: Callable[[str], bool]) -> Iterator[Batch]:
    """Yield the elements of an array; a `.json` file that does not begin with one holds JSON Lines."""
    with open_text(shard.path) as text:
        is_array = text.read(PIECE).lstrip().startswith("[")
    if not is_array:
        yield from json_lines.read(shard, wanted=wanted)
        return
    with open_text(shard.path) as text:
        yield from batches(_rows(text), wanted=wanted)


def _rows(text: IO[str]) -> Iterator[NumberedRow]:
    number = 0
    try:
        for number, row in enumerate(_elements(text), start=1):
            yield number, row
    except BrokenFileError as error:
        message = f"{error}: the row after number {number} and those that follow cannot be read"
        yield number + 1, unreadable(Reason.BROKEN_FILE, message, "")


def _elements(text: IO[str]) -> Iterator[dict[str, Any] | Unreadable]:
    """Yield the elements; raise BrokenFileError where the text is no JSON or ends too early."""
    repeated: list[str] = []
    decoder = json.JSONDecoder(object_pairs_hook=json_lines.unique_keys(repeated))
    pending, position = text.read(PIECE).lstrip().removeprefix("["), 0
    while True:
        position = _skip(pending, position)
        if pending[position : position + 1] == "]":
            return _check_end(pending[position + 1 :] + text.read(PIECE))
        try:
            repeated.clear()
            row, end = decoder.raw_decode(pending, position)
        except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError
            row, end, complaint = None, len(pending), str(error)
        else:
            complaint = "the array is not closed"
        if end < len(pending):  # at the very end a number could go on in the next piece
            yield _checked(row, repeated)
            position = end
            continue
        more = text.read(max(PIECE, len(pending) - position)) if len(pending) - position < MAX_CHARACTERS else ""
        if not more:
            raise BrokenFileError(f"the JSON breaks off ({complaint})")
        pending, position = pending[position:] + more, 0


def _check_end(rest: str) -> None:
    if rest.strip():
        raise BrokenFileError("something follows the end of the array")


def _skip(pending: str, position: int) -> int:
    between = BETWEEN.match(pending, position)
    return between.end() if between else position


def _checked(row: Any, repeated: list[str]) -> dict[str, Any] | Unreadable:
    if repeated:
        return unreadable(Reason.DUPLICATE_KEY, f"the key {repeated[0]!r} stands twice in one object", row)
    return row if isinstance(row, dict) else not_an_object(row)
