"""Near duplicates: conversations that share most of their three-word runs with an earlier one (MinHash and LSH)."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from itertools import chain
from multiprocessing import get_context
from typing import TYPE_CHECKING, Final

import numpy as np

from mlops.datasets import words
from mlops.datasets.lines import index, texts
from mlops.datasets.overlap.overlap import Example, NearDuplicates, Twin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mlops.datasets.lines import Block, Lines, Row
    from mlops.datasets.words import Hashes, Places

    Bands = NDArray[np.uint32]
    Groups = NDArray[np.int32]

NGRAM: Final = 3
NUM_MINIMA: Final = 128
SEED: Final = 0
LEAST_RECALL: Final = 0.99
"""The share of pairs just as alike as the threshold that must be proposed."""
MOST_COMPARED: Final = 16
"""How many kept rows a bucket remembers, and a row is compared with: bounds the work on boilerplate."""
MOST_AT_HAND: Final = 4096
"""How many rows' runs are kept in memory for comparison."""
WORTH_PROCESSES: Final = 100_000_000
"""Bytes from which starting processes costs less than it saves."""
NUM_EXAMPLES, EXCERPT = 5, 300
ALONE: Final = -1


def near_duplicates(path: Path, *, threshold: float, workers: int = 1) -> NearDuplicates:
    """Return the rows of a JSON Lines file that are nearly an earlier row that stays.

    Two rows are near duplicates if the Jaccard similarity of their sets of three-word runs is at least the threshold.
    MinHash and banding propose pairs (Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4);
    each is then compared exactly, so that nothing is left out without a twin that stays.
    """
    lines = index(path)
    bands = _bands(lines, size=band_size(threshold), workers=workers)
    twins = tuple(_twins(_groups(bands), lines, threshold))
    least_alike = sorted(twins, key=lambda twin: (twin.similarity, twin.line))
    examples = (_example(twin, lines) for twin in least_alike[:NUM_EXAMPLES])
    return NearDuplicates(twins, tuple(examples))


def band_size(threshold: float) -> int:
    """Return how many minima make a band: the most that propose 99 % of the pairs just as alike as the threshold."""
    sizes = (2, 4, 8, 16)
    recalls = {size: 1 - (1 - threshold**size) ** (NUM_MINIMA // size) for size in sizes}
    return max((size for size in sizes if recalls[size] >= LEAST_RECALL), default=1)


def _bands(lines: Lines, *, size: int, workers: int) -> Bands:
    """Return a hash per row and band, shape (rows, bands); 0 for a row without words."""
    sketch = partial(_sketch, size=size)
    none = np.zeros((0, NUM_MINIMA // size), np.uint32)
    if workers == 1 or lines.starts[-1] < WORTH_PROCESSES:
        return np.concatenate([none, *map(sketch, lines.blocks())])
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return np.concatenate([none, *pool.map(sketch, lines.blocks(), chunksize=8)])


def _sketch(block: Block, *, size: int) -> Bands:
    from rensa import RMinHash

    grams, bounds = _grams(block.rows())
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(grams, bounds.astype(np.uint64), NUM_MINIMA, SEED)
    minima = np.fromiter(chain.from_iterable(matrix.to_rows()), np.uint64).reshape(-1, NUM_MINIMA // size, size)
    odd = np.random.default_rng(SEED).integers(2**63, size=size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = words.mixed((minima * odd).sum(axis=2, dtype=np.uint64)) >> np.uint64(32)
    return np.where(np.diff(bounds)[:, None] > 0, hashes, 0).astype(np.uint32)


def _groups(bands: Bands) -> Groups:
    """Return which group of rows that agree in a band each row is in, numbered over all bands."""
    groups, total = np.full(bands.shape, ALONE, np.int32), 0
    for band in range(bands.shape[1]):
        values, inverse, counts = np.unique(bands[:, band], return_inverse=True, return_counts=True)
        shared = (counts > 1) & (values > 0)
        numbers = np.where(shared, np.cumsum(shared) - 1 + total, ALONE)
        groups[:, band] = numbers[inverse]
        total += int(shared.sum())
    return groups


def _twins(groups: Groups, lines: Lines, threshold: float) -> Iterator[Twin]:
    """Yield the rows that have a twin among the rows kept before them."""
    kept: dict[int, list[int]] = defaultdict(list)
    grams = lru_cache(MOST_AT_HAND)(lambda line: words.distinct(_grams([lines[line]])[0]))
    for line in np.flatnonzero((groups != ALONE).any(axis=1)).tolist():
        mine = groups[line][groups[line] != ALONE].tolist()
        common = Counter(chain.from_iterable(kept[group] for group in mine))
        alike = sorted(common, key=lambda other: (-common[other], other))[:MOST_COMPARED]
        measured = (Twin(line, other, jaccard(grams(line), grams(other))) for other in alike)
        twin = next((twin for twin in measured if twin.similarity >= threshold), None)
        if twin:
            yield twin
            continue
        for group in mine:
            if len(kept[group]) < MOST_COMPARED:
                kept[group].append(line)


def _grams(rows: Sequence[Row]) -> tuple[Hashes, Places]:
    said = [texts(row) for row in rows]
    return (
        words.split([text for of_row in said for text in of_row]).joined([len(of_row) for of_row in said]).grams(NGRAM)
    )


def jaccard(a: Hashes, b: Hashes) -> float:
    """Return the share of what is in either of two sets, each sorted, that is in both."""
    both = np.intersect1d(a, b, assume_unique=True).size
    return both / (a.size + b.size - both)


def _example(twin: Twin, lines: Lines) -> Example:
    left_out, kept = ("\n".join(texts(lines[line])) for line in (twin.line, twin.kept))
    same = next((place for place, (a, b) in enumerate(zip(left_out, kept, strict=False)) if a != b), 0)
    start = max(0, same - EXCERPT // 2)
    return Example(left_out[start : start + EXCERPT], kept[start : start + EXCERPT], twin.similarity)
