"""How sure we can be of a mean or of a share: intervals, p-values, Holm's correction, power.

Every estimate knows its change for the better and gives, for a required change, the one-sided p-values of "it is less"
and "it is more". A bound of the two-sided interval at `confidence` and a p-value of (1 - confidence) / 2 say the same.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Counts = int | NDArray[np.int64]

RESAMPLES: Final = 9_999
SEED: Final = 0
"""Fixed, so that one evaluation always gets one decision."""
LARGE: Final = 2_000
"""Examples from which a mean is as good as normal: what BCa corrects is of the order of its own resampling noise."""
BATCH: Final = 2_000_000
"""Numbers drawn at a time: 16 MB."""
DRAWS: Final = 2_000
"""Of evaluations, by which the power of a larger one is told: to a percent."""
MOST: Final = 10**9
"""Examples that nobody will ask for."""


class Estimate(Protocol):
    """A change for the better, and how sure we are of it."""

    @property
    def change(self) -> float:
        """Return the mean over the examples."""
        ...

    @property
    def spread(self) -> float:
        """Return the standard deviation over the examples."""
        ...

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the bounds between which the true change is."""
        ...

    def p_not_above(self, required: float) -> float:
        """Return how likely so much is if the true change is `required` or less: small speaks for the candidate."""
        ...

    def p_not_below(self, required: float) -> float:
        """Return how likely so little is if the true change is `required` or more: small speaks against it."""
        ...

    def power(self, size: int, *, required: float, alpha: float) -> float:
        """Return how often `size` examples decide at `alpha`, for or against, if the change is what was seen."""
        ...


class Mean:
    """The mean of values, shape (examples,), by the bias-corrected and accelerated bootstrap (Efron 1987).

    For a mean the acceleration is the skewness over 6 sqrt(n), so no jackknife is needed.
    """

    def __init__(self, values: NDArray[np.float64]) -> None:
        self._values = values
        self.change, self.spread = float(np.mean(values)), float(np.std(values, ddof=1))

    @property
    def error(self) -> float:
        """Return the standard error."""
        return self.spread / float(np.sqrt(len(self._values)))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the bounds between which the true change is."""
        if self._constant:
            return self.change, self.change
        tail = (1 - confidence) / 2
        return self._bound(tail), self._bound(1 - tail)

    def p_not_above(self, required: float) -> float:
        """Return how likely so much is if the true change is `required` or less."""
        if self._constant:
            return float(self.change < required)
        shift = float(ndtri(self._share_below(required))) - self._bias
        return float(ndtr(shift / (1 + self._acceleration * shift) - self._bias))

    def p_not_below(self, required: float) -> float:
        """Return how likely so little is if the true change is `required` or more."""
        return float(self.change >= required) if self._constant else 1 - self.p_not_above(required)

    def power(self, size: int, *, required: float, alpha: float) -> float:
        """Return how often `size` examples like those seen decide at `alpha` (normal approximation)."""
        if self._constant:
            return float(self.change != required)
        return float(ndtr(abs(self.change - required) * size**0.5 / self.spread + ndtri(alpha)))

    def _bound(self, tail: float) -> float:
        shifted = self._bias + float(ndtri(tail))
        share = float(ndtr(self._bias + shifted / (1 - self._acceleration * shifted)))
        if self._resampled is None:
            return self.change + self.error * float(ndtri(share))
        return float(np.quantile(self._resampled, share))

    def _share_below(self, value: float) -> float:
        """Return the share of the resampled means below a value, never quite 0 or 1."""
        if self._resampled is None:
            return float(np.clip(ndtr((value - self.change) / self.error), 1e-300, 1 - 1e-16))
        found = np.searchsorted(self._resampled, [value, value], side="left")
        found[1] = np.searchsorted(self._resampled, value, side="right")
        return float(np.clip(found.mean() / RESAMPLES, 1 / (RESAMPLES + 1), RESAMPLES / (RESAMPLES + 1)))

    @property
    def _constant(self) -> bool:
        return self.spread <= 1e-12 * max(1.0, abs(self.change))

    @cached_property
    def _bias(self) -> float:
        return 0.0 if self._resampled is None else float(ndtri(self._share_below(self.change)))

    @cached_property
    def _acceleration(self) -> float:
        if self._resampled is None:
            return 0.0
        return float(stats.skew(self._values)) / (6 * float(np.sqrt(len(self._values))))

    @cached_property
    def _resampled(self) -> NDArray[np.float64] | None:
        """Return the sorted means of the resamples; None for so many examples that their mean is normal."""
        size = len(self._values)
        if size > LARGE:
            return None
        dice, rows = np.random.default_rng(SEED), BATCH // size
        sizes = [min(rows, RESAMPLES - start) for start in range(0, RESAMPLES, rows)]
        means = [self._values[dice.integers(0, size, (number, size), dtype=np.uint16)].mean(axis=1) for number in sizes]
        return np.sort(np.concatenate(means))


class PairedShare:
    """A change in the share of examples that pass, from differences of -1, 0 and 1, shape (examples,).

    The interval is Tango's score interval (1998); against no change at all the test is McNemar's, exact.
    """

    def __init__(self, differences: NDArray[np.float64]) -> None:
        self._size = len(differences)
        self._gained, self._lost = int(np.sum(differences > 0)), int(np.sum(differences < 0))
        self.change = float(np.mean(differences))
        # Where no pair differs, as if one did: that none was seen is no proof that none will be.
        self.spread = max(float(np.std(differences, ddof=1)), self._size**-0.5)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the bounds between which the true change is."""
        limit = float(ndtri((1 + confidence) / 2))
        edge = 1 - 1e-9
        low = -1.0 if self._score(-edge) < limit else brentq(lambda x: self._score(x) - limit, -edge, edge)
        high = 1.0 if self._score(edge) > -limit else brentq(lambda x: self._score(x) + limit, -edge, edge)
        return float(low), float(high)

    def p_not_above(self, required: float) -> float:
        """Return how likely so much is if the true change is `required` or less."""
        return float(_p_paired(required, self._size, self._gained, self._lost))

    def p_not_below(self, required: float) -> float:
        """Return how likely so little is if the true change is `required` or more."""
        return float(_p_paired(-required, self._size, self._lost, self._gained))

    def power(self, size: int, *, required: float, alpha: float) -> float:
        """Return how often `size` examples drawn from what was seen decide at `alpha`."""
        seen = (self._gained, self._lost, self._size - self._gained - self._lost)
        gained, lost, _ = np.random.default_rng(SEED).multinomial(size, np.divide(seen, self._size), DRAWS).T
        if self.change > required:
            return float(np.mean(_p_paired(required, size, gained, lost) <= alpha))
        return float(np.mean(_p_paired(-required, size, lost, gained) <= alpha))

    def _score(self, change: float) -> float:
        return float(_tango(change, self._size, self._gained, self._lost))


def _p_paired(required: float, size: int, gained: Counts, lost: Counts) -> Any:
    """Return how likely so much is if the true change is `required` or less: by Tango's score, or McNemar's test."""
    if required == 0:
        return stats.binom.sf(np.subtract(gained, 1), np.add(gained, lost), 0.5)
    return ndtr(-_tango(required, size, gained, lost))


def _tango(change: float, size: int, gained: Counts, lost: Counts) -> Any:
    """Return Tango's score statistic: the distance to a supposed change, in standard errors under it."""
    slope = np.subtract((2 * size - gained + lost) * change, np.add(gained, lost))
    root = np.sqrt(slope**2 + 8 * size * lost * change * (1 - change))
    share_lost = (root - slope) / (4 * size)
    variance = size * (2 * share_lost + change * (1 - change))
    return (gained - lost - size * change) / np.sqrt(np.maximum(variance, 1e-12))


class Share:
    """The share of examples that pass beyond a threshold, exact (Clopper & Pearson 1934); passes are 0 and 1."""

    def __init__(self, passes: NDArray[np.float64], threshold: float) -> None:
        self._passed, self._size, self._threshold = int(np.sum(passes)), len(passes), threshold
        self.change = float(np.mean(passes)) - threshold
        # At a threshold of none or all, as if one example went the other way: that none did is no proof.
        self.spread = max(float(np.std(passes, ddof=1)), (threshold * (1 - threshold) or 1 / self._size) ** 0.5)

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the bounds between which the true change is."""
        found = stats.binomtest(self._passed, self._size).proportion_ci(confidence, method="exact")
        return float(found.low) - self._threshold, float(found.high) - self._threshold

    def p_not_above(self, required: float) -> float:
        """Return how likely so much is if the true change is `required` or less."""
        return self._p(required, "greater")

    def p_not_below(self, required: float) -> float:
        """Return how likely so little is if the true change is `required` or more."""
        return self._p(required, "less")

    def power(self, size: int, *, required: float, alpha: float) -> float:
        """Return how often `size` examples drawn from what was seen decide at `alpha`."""
        passed = np.random.default_rng(SEED).binomial(size, self._passed / self._size, DRAWS)
        asked = self._asked(required)
        if self.change > required:
            return float(np.mean(stats.binom.sf(passed - 1, size, asked) <= alpha))
        return float(np.mean(stats.binom.cdf(passed, size, asked) <= alpha))

    def _asked(self, required: float) -> float:
        return min(max(self._threshold + required, 0.0), 1.0)

    def _p(self, required: float, alternative: str) -> float:
        return float(stats.binomtest(self._passed, self._size, self._asked(required), alternative=alternative).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number, stepping down from the smallest (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


def examples_needed(power_of: Callable[[int], float], *, power: float, least: int) -> int | None:
    """Return the smallest number of examples, of `least` and more, that has this power; None if a billion has not.

    >>> examples_needed(lambda size: 1 - 0.9**size, power=0.8, least=1)
    16
    """
    enough = least
    while power_of(enough) < power:
        if enough > MOST:
            return None
        enough *= 2
    return bisect_left(range(enough), power, lo=max(least, enough // 2), key=power_of)


def power_to_see(distance: float, error: float, *, reach: float) -> float:
    """Return how surely a bound that reaches so far from its estimate stays short of a true distance.

    The reach is the interval's own, which knows of skewness; the estimate itself is taken as normal. Without any error
    it is sure.
    """
    if error == 0:
        return float(distance > reach)
    return float(ndtr((distance - reach) / error))


def distance_seen(error: float, *, reach: float, power: float) -> float:
    """Return the true distance that a bound of this reach stays short of with this power."""
    return reach + error * float(ndtri(power))


def reach_for(reach: float, *, alpha: float, tests: int) -> float:
    """Return how far a bound at `alpha` reaches once that error is shared by so many tests."""
    return reach * float(ndtri(alpha / tests) / ndtri(alpha))
