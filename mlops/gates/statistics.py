"""How sure we can be of a mean: paired bootstrap intervals (Efron & Tibshirani 1993, chapter 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 9_999
SEED = 0
"""Fixed, so that one evaluation always gets one decision."""


def mean_interval(values: NDArray[np.float64], *, confidence: float) -> tuple[float, float, float]:
    """Return the mean of values, shape (examples,), and the bounds of its percentile bootstrap interval."""
    from scipy.stats import bootstrap

    result = bootstrap(
        (values,),
        np.mean,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        batch=1_000,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    interval = result.confidence_interval
    return float(np.mean(values)), float(interval.low), float(interval.high)
