"""How long conversations are: in tokens where a tokenizer is known, else in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from mlops.records import Frozen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mlops.datasets.lines import Row

NUM_BINS: Final = 30
BATCH: Final = 100
PERCENTAGES: Final = (5, 25, 50, 75, 95, 99)
MOST_SHOWN: Final = 99
"""The percentile where a histogram ends: the longest conversation would press all others into one bar."""


class Lengths(Frozen):
    """The lengths of conversations: percentiles, and a histogram of which the last bar holds all longer ones."""

    unit: str
    num_measured: int
    mean: float
    percentiles: dict[int, float]
    longest: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def lengths(rows: Sequence[Row], *, tokenizer: Path | None) -> Lengths:
    """Return the lengths of conversations, without what a chat template adds."""
    measured = measure(rows, tokenizer=tokenizer)
    percentiles = np.percentile(measured, PERCENTAGES)
    top = max(float(np.percentile(measured, MOST_SHOWN)), 1.0)
    counts, edges = np.histogram(np.minimum(measured, top), bins=min(NUM_BINS, int(top)), range=(0, top))
    return Lengths(
        unit="words" if tokenizer is None else "tokens",
        num_measured=len(rows),
        mean=float(measured.mean()),
        percentiles=dict(zip(PERCENTAGES, percentiles.tolist(), strict=True)),
        longest=int(measured.max()),
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
    )


def measure(rows: Sequence[Row], *, tokenizer: Path | None) -> NDArray[np.int64]:
    """Return the length of each conversation."""
    said = ["\n".join(message["content"] for message in row["messages"]) for row in rows]
    if tokenizer is None:
        return np.array([len(text.split()) for text in said])
    from mlops.datasets.tokens import open_tokenizer

    encoder = open_tokenizer(tokenizer)
    batches = (said[start : start + BATCH] for start in range(0, len(said), BATCH))
    return np.array(
        [len(encoded) for batch in batches for encoded in encoder.encode_batch_fast(batch, add_special_tokens=False)]
    )
