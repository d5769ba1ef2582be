"""What training data must not hold: text that a model will be judged by, and nearly the same conversation twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.datasets.overlap.contamination import Contamination, contaminated
from mlops.datasets.overlap.duplicates import NearDuplicates, near_duplicates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops.datasets.settings import DataSettings


@dataclass(frozen=True)
class Overlap:
    """The training rows to leave out, each for one reason."""

    contamination: Contamination
    near_duplicates: NearDuplicates

    @property
    def lines(self) -> frozenset[int]:
        """Return the lines to leave out, counted from 0."""
        return self.contamination.lines | self.near_duplicates.lines


def find_overlap(train: Path, *, held_out: Sequence[Path], settings: DataSettings, workers: int) -> Overlap:
    """Return what the settings ask to leave out of train; raise DataError for a benchmark that cannot be read."""
    leaked = Contamination(frozenset(), {}, ())
    if settings.contamination:
        ngram, benchmarks = settings.contamination.ngram, settings.contamination.benchmarks
        leaked = contaminated(train, held_out=held_out, benchmarks=benchmarks, ngram=ngram)
    twins = NearDuplicates((), ())
    if settings.near_duplicates:
        twins = near_duplicates(train, threshold=settings.near_duplicates, without=leaked.lines, workers=workers)
    return Overlap(leaked, twins)
