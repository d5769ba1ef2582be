"""Rows that cannot be trained on, kept with their place and reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from typing import IO, TYPE_CHECKING, Final

import orjson

from mlops.datasets.sample import KEY_DIGITS
from mlops.datasets.validate import Reason
from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from mlops.datasets.validate import Problem

SHOWN: Final = 200
WORST: Final = 3
ALL: Final = 100


def entry(*, file: str, row: int, problem: Problem, value: str) -> bytes:
    """Return a line of `quarantine.jsonl`; `value` is how the row begins."""
    shown = value[:SHOWN].encode(errors="backslashreplace").decode()
    found = {"file": file, "row": row, "reason": problem.reason, "message": problem.message, "value": shown}
    return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True)
class Quarantine:
    """The bad rows by reason, how many more are not in the sample, and the first place where a file breaks off."""

    reasons: Counter[str]
    num_left_out: int
    broken: str | None


def collect(parts: Iterable[Path], into: IO[bytes], *, last_key: str) -> Quarantine:
    """Write the entries of all shards in their order; those with a key above `last_key` are not in the sample."""
    reasons: Counter[str] = Counter()
    num_left_out, broken = 0, None
    for line in chain.from_iterable(map(_lines, parts)):
        if line[:KEY_DIGITS].decode() > last_key:
            num_left_out += 1
            continue
        into.write(line[KEY_DIGITS:])
        found = orjson.loads(line[KEY_DIGITS:])
        reasons[found["reason"]] += 1
        if found["reason"] == Reason.BROKEN_FILE:
            broken = broken or f"{found['file']}, row {found['row']}: {found['message']}"
    return Quarantine(reasons, num_left_out, broken)


def check(found: Quarantine, *, num_judged: int, most: float, source: str, quarantine: Path) -> None:
    """Raise DataError, naming the commonest reasons, if more than `most` percent of the rows judged are bad.

    How many rows a file has lost that breaks off nobody knows, so any is too many, unless all may be bad.
    """
    if found.broken and most < ALL:
        raise DataError(
            f"{found.broken}. Get the file again; data.max_quarantine_percentage = {ALL} does without what is lost"
        )
    share = ALL * found.reasons.total() / max(num_judged, 1)
    if share > most:
        worst = "; ".join(f"{count:,} rows {reason}" for reason, count in _by_count(found.reasons)[:WORST])
        raise DataError(
            f"{source}: {share:.1f} % of {num_judged:,} rows are bad, more than data.max_quarantine_percentage = "
            f"{most:g} allows ({worst}). Look at {quarantine}; mend the source, or raise the limit"
        )


def _lines(part: Path) -> Iterator[bytes]:
    with part.open("rb") as file:
        yield from file


def _by_count(reasons: Counter[str]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
