"""Rows that cannot be trained on, kept with their place and reason."""

from __future__ import annotations

from collections import Counter
from typing import IO, TYPE_CHECKING, Final

import orjson

from mlops.datasets.sample import KEY_DIGITS
from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops.datasets.validate import Problem

SHOWN: Final = 200
WORST: Final = 3


def entry(*, file: str, row: int, problem: Problem, value: str) -> bytes:
    """Return a line of `quarantine.jsonl`; `value` is how the row begins."""
    shown = value[:SHOWN].encode(errors="backslashreplace").decode()
    found = {"file": file, "row": row, "reason": problem.reason, "message": problem.message, "value": shown}
    return orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE)


def collect(parts: Iterable[Path], into: IO[bytes], *, last_key: str) -> tuple[Counter[str], int]:
    """Write the entries of all shards in their order; those with a key above `last_key` are not in the sample.

    Returns the rows by reason, and the rows that are not in the sample.
    """
    reasons: Counter[str] = Counter()
    left_out = 0
    for path in parts:
        with path.open("rb") as part:
            for line in part:
                if line[:KEY_DIGITS].decode() > last_key:
                    left_out += 1
                    continue
                into.write(line[KEY_DIGITS:])
                reasons[orjson.loads(line[KEY_DIGITS:])["reason"]] += 1
    return reasons, left_out


def check(reasons: Counter[str], *, num_judged: int, most: float, source: str, quarantine: Path) -> None:
    """Raise DataError, naming the commonest reasons, if more than `most` percent of the rows judged are bad."""
    share = 100 * reasons.total() / max(num_judged, 1)
    if share > most:
        worst = "; ".join(f"{count:,} rows {reason}" for reason, count in _by_count(reasons)[:WORST])
        raise DataError(
            f"{source}: {share:.1f} % of {num_judged:,} rows are bad, more than data.max_quarantine_percentage = "
            f"{most:g} allows ({worst}). Look at {quarantine}; mend the source, or raise the limit"
        )


def _by_count(reasons: Counter[str]) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
