"""Per-example scores, and the part of them that a rule looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

Columns = Mapping[str, NDArray[Any]]
"""Of one model: `suite`, `key`, `language`, `length`, `topic`, and a masked array per metric; a row per example.

What was not measured is masked; what was measured and is no number is NaN, and never passes.
"""
Scores = Mapping[str, Columns]
"""Model (candidate, champion, base) -> its columns."""


@dataclass(frozen=True)
class Pair:
    """The values of a metric in a suite, shape (examples,), in the same order for both models."""

    candidate: NDArray[np.float64]
    reference: NDArray[np.float64] | None
    rows: NDArray[np.int64]
    """Where the examples stand in the candidate's columns."""


def reference_of(models: Container[str]) -> str:
    """Return what stands for the champion: the champion, or at the first release the base model."""
    return "champion" if "champion" in models else "base"


def rows_of(columns: Columns, suite: str) -> NDArray[np.int64]:
    """Return the rows of a suite in the order of their keys."""
    rows = np.flatnonzero(columns["suite"] == suite)
    return rows[np.argsort(columns["key"][rows], kind="stable")]


def select(scores: Scores, metric: str, suite: str, against: str | None) -> Pair:
    """Return the examples of a suite on which a metric was measured."""
    rows = rows_of(scores["candidate"], suite)
    values = scores["candidate"][metric][rows]
    measured = ~np.ma.getmaskarray(values)
    reference = None
    if against is not None:
        others = scores[against]
        reference = np.ma.getdata(others[metric][rows_of(others, suite)])[measured]
    return Pair(np.ma.getdata(values)[measured], reference, rows[measured])


def slices_of(scores: Scores, pair: Pair, names: Sequence[str]) -> Iterator[tuple[str, Pair]]:
    """Yield each slice with its part of the examples, such as `language de`."""
    for name in names:
        labels = scores["candidate"][name][pair.rows]
        for label in np.unique(labels[labels != ""]):
            chosen = labels == label
            reference = None if pair.reference is None else pair.reference[chosen]
            yield f"{name} {label}", Pair(pair.candidate[chosen], reference, pair.rows[chosen])
