"""How far one training set is from another: whether it is worth training again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from mlops.datasets import words
from mlops.datasets.lengths import measure
from mlops.datasets.lines import index, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mlops.datasets.lines import Lines, Row
    from mlops.datasets.settings import DriftSettings
    from mlops.datasets.words import Hashes, Places

SAMPLE: Final = 2000
"""Conversations of each side that are compared in length and words."""
SHUFFLES: Final = 20
BUCKET_BITS: Final = 16
"""Words are counted in 65,536 buckets of their hashes."""


@dataclass(frozen=True)
class Distance:
    """How far two samples are apart, and how far two random halves of both together are, on average."""

    measured: float
    chance: float

    @property
    def change(self) -> float:
        """Return what is left of the distance without chance."""
        return max(0.0, self.measured - self.chance)


@dataclass(frozen=True)
class Drift:
    """From an older training set to a newer one; percentages are of the newer's rows and of the older's."""

    num_old: int
    num_new: int
    new_percentage: float
    removed_percentage: float
    unit: str
    length: Distance
    vocabulary: Distance

    def reasons(self, limits: DriftSettings) -> tuple[str, ...]:
        """Return why it is worth training again; nothing if it is not."""
        judged = (
            (self.new_percentage, limits.max_new_percentage, "{:.1f} % of the rows are new"),
            (self.length.change, limits.max_length_change, "the lengths changed by {:.3f}"),
            (self.vocabulary.change, limits.max_vocabulary_change, "the words changed by {:.3f}"),
        )
        return tuple(f"{text.format(value)}, more than {limit:g}" for value, limit, text in judged if value > limit)


def compare(old: Path, new: Path, *, tokenizer: Path | None = None, seed: int = 0) -> Drift:
    """Return how far a JSON Lines file of conversations is from an older one.

    Two random samples are never alike, and small ones differ much in words; so a distance stands beside the one between
    random halves of both samples together (a permutation estimate of chance).
    """
    files = index(old), index(new)
    rows_old, rows_new = map(_row_hashes, files)
    dice = np.random.default_rng(seed)
    samples = [_sample(lines, dice) for lines in files]
    sizes = [len(sample) for sample in samples]
    rows = list(chain.from_iterable(samples))
    lengths = measure(rows, tokenizer=tokenizer)
    counts = _word_counts(rows)
    return Drift(
        num_old=len(files[0]),
        num_new=len(files[1]),
        new_percentage=_percentage_lacking(rows_new, rows_old),
        removed_percentage=_percentage_lacking(rows_old, rows_new),
        unit="words" if tokenizer is None else "tokens",
        length=_distance(lambda a, b: _wasserstein(lengths[a], lengths[b]), sizes, dice),
        vocabulary=_distance(lambda a, b: _jensen_shannon(counts[a], counts[b]), sizes, dice),
    )


def _row_hashes(lines: Lines) -> Hashes:
    """Return a hash of each row's bytes, sorted: prepared rows are written in one way only."""
    digests = [hashlib.blake2b(line, digest_size=8).digest() for block in lines.blocks() for line in block.lines()]
    return words.distinct(np.frombuffer(b"".join(digests), np.uint64))


def _percentage_lacking(ours: Hashes, theirs: Hashes) -> float:
    return 100 * np.setdiff1d(ours, theirs, assume_unique=True).size / ours.size


def _sample(lines: Lines, dice: np.random.Generator) -> list[Row]:
    chosen = dice.choice(len(lines), min(SAMPLE, len(lines)), replace=False)
    return [lines[line] for line in np.sort(chosen).tolist()]


def _word_counts(rows: Sequence[Row]) -> csr_array:
    """Return how often each row has words of each bucket, shape (rows, buckets)."""
    hashes, bounds = words.split(["\n".join(texts(row)) for row in rows]).grams(1)
    buckets = (hashes >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
    return csr_array((np.ones(buckets.size), buckets, bounds), shape=(len(rows), 1 << BUCKET_BITS))


def _distance(measured: Callable[[Places, Places], float], sizes: Sequence[int], dice: np.random.Generator) -> Distance:
    places = np.arange(sum(sizes))
    shuffled = (dice.permutation(places) for _ in range(SHUFFLES))
    chance = np.mean([measured(order[: sizes[0]], order[sizes[0] :]) for order in shuffled])
    return Distance(measured(places[: sizes[0]], places[sizes[0] :]), float(chance))


def _wasserstein(a: Places, b: Places) -> float:
    """Return how far lengths must move on average to become the others, by the mean of the first."""
    return float(wasserstein_distance(a, b) / a.mean())


def _jensen_shannon(a: csr_array, b: csr_array) -> float:
    return float(jensenshannon(a.sum(axis=0), b.sum(axis=0), base=2))
