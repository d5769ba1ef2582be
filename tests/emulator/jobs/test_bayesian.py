"""Bayesian sampling: it learns from the trials before."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.emulator.jobs import sweep

SPACE = {"x": ["uniform", [0, 10]], "kind": ["choice", [["a", "b"]]]}


def distance(point: dict[str, Any]) -> float:
    """Return how far a point is from the best one, which a search has to find."""
    return abs(point["x"] - 7.0) + (0.0 if point["kind"] == "b" else 3.0)


def best(algorithm: str, seed: int, goal: str) -> float:
    """Return the least distance that a sweep of 12 trials has reached."""
    body = {
        "searchSpace": SPACE,
        "samplingAlgorithm": {"samplingAlgorithmType": algorithm, "seed": seed},
        "objective": {"goal": goal, "primaryMetric": "score"},
        "limits": {"maxTotalTrials": 12},
    }
    sign = 1 if goal == "minimize" else -1
    tried: list[tuple[dict[str, Any], float]] = []
    points = sweep.sample(sweep.read(body, where="here"), default_seed="", results=lambda: tried)
    tried.extend((point, sign * distance(point)) for point in points)
    return min(abs(score) for _, score in tried)


@pytest.mark.parametrize("goal", sweep.GOALS)
def test_it_finds_more_than_chance(goal: str) -> None:
    """With as many trials, its best one is nearer to the best there is than random sampling's."""
    seeds = range(4)
    assert sum(best("Bayesian", seed, goal) for seed in seeds) < sum(best("Random", seed, goal) for seed in seeds) / 2
