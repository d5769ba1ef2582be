"""Bayesian sampling: the next point of a sweep is where a Gaussian process expects the greatest improvement."""

from __future__ import annotations

import warnings
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Point = dict[str, Any]
    Space = Mapping[str, tuple[str, list[Any]]]

# So many points are drawn before there is something to learn from, and so many are compared afterwards.
_FIRST = 5
_CANDIDATES = 512
_TINY = 1e-9


def propose(
    space: Space, results: Sequence[tuple[Point, float]], draw: Callable[[], Point], *, minimize: bool
) -> Point:
    """Return the point to try next, given the (point, score) of the trials so far.

    The surrogate is scikit-learn's Gaussian process with a Matern kernel; the expected improvement is
    that of Jones, Schonlau and Welch (1998).
    """
    if len(results) < _FIRST:
        return draw()
    candidates = [draw() for _ in range(_CANDIDATES)]
    known = [_encode(space, point) for point, _ in results]
    scores = [score if minimize else -score for _, score in results]
    gains = _expected_improvement(known, scores, [_encode(space, point) for point in candidates])
    return candidates[gains.index(max(gains))]


def _encode(space: Space, point: Point) -> list[float]:
    """Return a point in the unit cube: a choice is an axis for each of its values."""
    axes: list[float] = []
    for name, (kind, arguments) in space.items():
        if kind == "choice":
            axes += [float(point[name] == value) for value in arguments[0]]
        else:
            low, high = float(arguments[0]), float(arguments[1])
            axes.append((float(point[name]) - low) / (high - low or 1))
    return axes


def _expected_improvement(known: list[list[float]], scores: list[float], candidates: list[list[float]]) -> list[float]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel
    from threadpoolctl import threadpool_limits

    model = GaussianProcessRegressor(Matern(nu=2.5) + WhiteKernel(1e-3), normalize_y=True, random_state=0)
    # A few points are not worth threads, which only hinder each other.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound of the kernel may be the best there is
        predicted = model.fit(known, scores).predict(candidates, return_std=True)
    return [_gain(min(scores) - mean, max(deviation, _TINY)) for mean, deviation in zip(*predicted, strict=True)]


def _gain(gain: float, deviation: float) -> float:
    normal = NormalDist()
    return gain * normal.cdf(gain / deviation) + deviation * normal.pdf(gain / deviation)
