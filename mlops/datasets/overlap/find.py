"""What training data must not hold: text that a model will be judged by, and nearly the same conversation twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.datasets.overlap.benchmark import read_texts
from mlops.datasets.overlap.overlap import Contamination, NearDuplicates, Overlap

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops.datasets.settings import DataSettings


def check_benchmarks(settings: DataSettings) -> None:
    """Raise DataError for a benchmark that cannot be read: now, and not when all else has been read."""
    for path in settings.contamination.benchmarks if settings.contamination else ():
        for _ in read_texts(path):
            pass


def find_overlap(train: Path, *, held_out: Sequence[Path], settings: DataSettings, workers: int) -> Overlap:
    """Return what the settings ask to leave out of train; raise DataError for a benchmark that cannot be read.

    Near duplicates go first: a test's text that is in many of them would pass for a phrase, and one of them stays.
    """
    twins = NearDuplicates((), ())
    if settings.near_duplicates:
        from mlops.datasets.overlap.duplicates import near_duplicates

        twins = near_duplicates(train, threshold=settings.near_duplicates, workers=workers)
    leaked = Contamination(frozenset(), {}, ())
    if settings.contamination:
        from mlops.datasets.overlap.contamination import contaminated

        ngram, benchmarks = settings.contamination.ngram, settings.contamination.benchmarks
        leaked = contaminated(train, held_out=held_out, benchmarks=benchmarks, ngram=ngram, without=twins.lines)
    return Overlap(leaked, twins)
