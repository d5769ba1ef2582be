"""What readers yield: rows as they stand in the source, with the numbers that people know them by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from mlops.datasets.validate import Problem, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

ROWS = 250
"""Rows of a batch: enough to spread the cost of handing it on, few enough for rows of megabytes."""
SHOWN = 200


@dataclass(frozen=True)
class Unreadable:
    """A row that could not be read: why, and how it begins."""

    problem: Problem
    value: str


class Sound(NamedTuple):
    """A conversation in which the reader found nothing wrong: its prompt, and its messages `{role, content}`."""

    prompt: str
    messages: list[dict[str, str]]


NumberedRow = tuple[int, dict[str, Any] | Unreadable]
"""The row's number in its file, counted from 1, and what stands there."""


@dataclass(frozen=True)
class Batch:
    """Some rows of a shard, and how many more were left out because their prompt is not wanted."""

    rows: Sequence[NumberedRow | tuple[int, Sound]]
    left_out: int = 0


def unreadable(reason: Reason, message: str, value: object) -> Unreadable:
    """Return a row that is nothing but its problem."""
    shown = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return Unreadable(Problem(reason, message), shown[:SHOWN])


def not_an_object(value: object) -> Unreadable:
    """Return the problem of JSON that is no row."""
    return unreadable(Reason.NOT_AN_OBJECT, f"a row must be a JSON object, found {type(value).__name__}", value)


def batches(rows: Iterable[NumberedRow], *, wanted: Callable[[str], bool]) -> Iterator[Batch]:
    """Group rows; those whose column `prompt` is not wanted are counted and left out."""
    source = iter(rows)
    while taken := list(islice(source, ROWS)):
        kept = [(number, row) for number, row in taken if _is_wanted(row, wanted)]
        yield Batch(kept, len(taken) - len(kept))


def _is_wanted(row: dict[str, Any] | Unreadable, wanted: Callable[[str], bool]) -> bool:
    return isinstance(row, Unreadable) or not isinstance(prompt := row.get("prompt"), str) or wanted(prompt)
