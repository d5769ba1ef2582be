"""Rows of JSON Lines: one object a line, a large file in ranges of bytes."""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any

import orjson

from mlops.datasets.readers.batch import Batch, NumberedRow, Unreadable, batches, not_an_object, unreadable
from mlops.datasets.readers.stream import BrokenFileError, open_bytes
from mlops.datasets.validate import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlops.datasets.sources.shard import Shard

BOM = b"\xef\xbb\xbf"
"""At the head of a file, or of what was once one."""
MAX_BYTES = 64 << 20
"""A line longer than this is no conversation; it is not held in memory."""
SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')


def read(shard: Shard, *, wanted: Callable[[str], bool]) -> Iterator[Batch]:
    """Yield the rows of a file or of its bytes from `start` to `stop`; blank lines are no rows, but lines."""
    with open_bytes(shard.path) as file:
        if shard.start:
            file.seek(shard.start)
        yield from batches(_rows(file, shard), wanted=wanted)


def _rows(file: IO[bytes], shard: Shard) -> Iterator[NumberedRow]:
    position, number = shard.start, shard.first_row
    try:
        while line := file.readline(MAX_BYTES):
            position += len(line)
            if len(line) == MAX_BYTES and not line.endswith(b"\n"):
                position += _skip_line(file)
                yield number, unreadable(Reason.TOO_LARGE, f"the line is longer than {MAX_BYTES:,} bytes", line[:200])
            elif (text := line.removeprefix(BOM)) and not text.isspace():
                yield number, parse(text)
            number += 1
            if shard.stop is not None and position >= shard.stop:
                return
    except BrokenFileError as error:
        yield number, unreadable(Reason.BROKEN_FILE, f"{error}: this row and those after it are missing", "")


def _skip_line(file: IO[bytes]) -> int:
    skipped = 0
    while line := file.readline(MAX_BYTES):
        skipped += len(line)
        if line.endswith(b"\n"):
            break
    return skipped


def parse(line: bytes) -> dict[str, Any] | Unreadable:
    """Return the object of a line, or why there is none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _parse_slowly(line, str(error))
    if row.__class__ is not dict:
        return not_an_object(row)
    return row if _has_unique_keys(line, row) else _parse_slowly(line, "")


def _has_unique_keys(line: bytes, row: dict[str, Any]) -> bool:
    """Return whether no key was swallowed by its repetition; a doubt is for the slow parser.

    Each key ends in a quote and a colon. A text may hold as much, so that there are at least as many as keys; just as
    many as the row has keys means that none was lost. A quote after exactly one backslash is surely within a text.
    """
    if SPACED_KEY.search(line):
        return False
    num_ends = line.count(b'":')
    messages = [item for value in row.values() if value.__class__ is list for item in value if item.__class__ is dict]
    if num_ends == len(row) + sum(map(len, messages)):
        return True
    num_within = line.count(b'\\":') - line.count(b'\\\\":')
    return num_ends - num_within == _num_keys(row)


def _num_keys(value: Any) -> int:
    inner = value.values() if value.__class__ is dict else value
    nested = sum([_num_keys(item) for item in inner if item.__class__ is dict or item.__class__ is list])
    return nested + (len(value) if value.__class__ is dict else 0)


def _parse_slowly(line: bytes, complaint: str) -> dict[str, Any] | Unreadable:
    """Parse what orjson refuses or would hide: lone surrogates pass, to be found by the rules; repeated keys do not."""
    repeated: list[str] = []
    try:
        row = json.loads(line, object_pairs_hook=unique_keys(repeated))
    except UnicodeDecodeError as error:
        return unreadable(Reason.NOT_UNICODE, f"the line is not UTF-8 ({error.reason} at byte {error.start})", line)
    except (ValueError, RecursionError) as error:
        return unreadable(Reason.NOT_JSON, f"not JSON ({complaint or error})", line)
    if repeated:
        return unreadable(Reason.DUPLICATE_KEY, f"the key {repeated[0]!r} stands twice in one object", line)
    return row if isinstance(row, dict) else not_an_object(row)


def unique_keys(repeated: list[str]) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return a hook for `json` that makes objects and notes the keys that stand twice in one."""

    def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            repeated.extend(name for name in found if names.count(name) > 1)
        return found

    return hook
