"""From a source to a folder of splits: validated, sampled, deduplicated, hashed; same input, same bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from mlops.datasets.source import read
from mlops.datasets.split import SPLITS, is_sampled, shuffle_answers, split_of
from mlops.datasets.validate import problem
from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from mlops.datasets.source import DataSettings, Row
    from mlops.datasets.split import SplitName

LINE = orjson.OPT_APPEND_NEWLINE
MIN_TRAIN_ROWS = 10
"""What `chat_completion_pipeline` demands of training data."""


@dataclass(frozen=True)
class PreparedSplit:
    """A JSON Lines file: its rows and the SHA-256 of its bytes."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Prepared:
    """What was written to the folder, and what was not and why (`quarantined`, `duplicates`: rows)."""

    splits: dict[SplitName, PreparedSplit]
    content_hash: str
    quarantined: Counter[str]
    duplicates: int


def prepare_splits(settings: DataSettings, folder: Path, *, on_row: Callable[[], None]) -> Prepared:
    """Write `train.jsonl`, `validation.jsonl` and `test.jsonl` to a new folder, `quarantine.jsonl` beside it.

    `on_row` is called once per row read. Raises DataError if too many rows are bad or a split is left too small.
    """
    good, bad, num_read = _sort(read(settings.source), on_row)
    reasons = Counter(row["reason"] for row in bad)
    quarantine = folder.with_name("quarantine.jsonl")
    _write(quarantine, bad)
    _check_quarantine(settings, num_read, reasons, quarantine)
    unique = {orjson.dumps(row["messages"]): row for row in good}
    chosen = [row for row in unique.values() if is_sampled(row, settings)]
    splits = {name: _write(folder / f"{name}.jsonl", _rows_of(name, chosen, settings)) for name in SPLITS}
    _check_sizes(splits)
    content = "".join(splits[name].sha256 for name in SPLITS)
    content_hash = hashlib.sha256(content.encode()).hexdigest()
    return Prepared(splits, content_hash, reasons, len(good) - len(unique))


def _sort(rows: Iterable[Row], on_row: Callable[[], None]) -> tuple[list[Row], list[Row], int]:
    good: list[Row] = []
    bad: list[Row] = []
    for number, row in enumerate(rows, start=1):
        on_row()
        reason = problem(row)
        if reason is None:
            good.append(row)
        else:
            bad.append({"row": number, "reason": reason, "value": _shortened(row)})
    return good, bad, len(good) + len(bad)


def _shortened(row: Row) -> str:
    return repr(row)[:200]


def _check_quarantine(settings: DataSettings, num_read: int, reasons: Counter[str], quarantine: Path) -> None:
    share = 100 * reasons.total() / max(num_read, 1)
    if share > settings.max_quarantine_percentage:
        worst = "; ".join(f"{count} rows: {reason}" for reason, count in reasons.most_common(3))
        raise DataError(
            f"{settings.source}: {share:.1f} % of {num_read} rows are bad, more than data.max_quarantine_percentage = "
            f"{settings.max_quarantine_percentage:g} allows ({worst}). See {quarantine}"
        )


def _rows_of(name: SplitName, rows: list[Row], settings: DataSettings) -> list[Row]:
    """Return the rows of one split; only training data is ever sabotaged, so that the judgement stays fair."""
    mine = [row for row in rows if split_of(row, settings) == name]
    return shuffle_answers(mine, seed=settings.seed) if name == "train" and settings.shuffle_answers else mine


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> PreparedSplit:
    digest, count = hashlib.sha256(), 0
    with path.open("wb") as file:
        for row in rows:
            line = orjson.dumps(row, option=LINE)
            digest.update(line)
            file.write(line)
            count += 1
    return PreparedSplit(count, digest.hexdigest())


def _check_sizes(splits: dict[SplitName, PreparedSplit]) -> None:
    least: dict[SplitName, int] = {"train": MIN_TRAIN_ROWS, "validation": 1, "test": 1}
    for name, rows in least.items():
        if splits[name].rows < rows:
            raise DataError(
                f"the {name} split has {splits[name].rows} conversations, it needs at least {rows}: raise "
                + ("data.percentage" if name == "train" else f"data.percentage or data.{name}_percentage")
            )
