"""Judge one step of a rollout from the requests made while it lasted."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from mlops.records import RolloutStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.rollout.plan import RolloutPlan
    from mlops.rollout.probe import Sample


def enough(samples: Sequence[Sample], candidate: str, plan: RolloutPlan) -> bool:
    """Return whether the candidate answered often enough to be judged."""
    return sum(sample.deployment == candidate for sample in samples) >= plan.min_requests


def analyze(samples: Sequence[Sample], *, candidate: str, weight: int, plan: RolloutPlan) -> RolloutStep:
    """Return the step's measurement and verdict: `pass`, `fail` or, with too few answers, `inconclusive`.

    A request that nobody signed is counted against the candidate: it may be the one who lost it.
    """
    mine = [sample for sample in samples if sample.deployment in (candidate, None)]
    others = [sample.seconds for sample in samples if sample.deployment not in (candidate, None) and sample.ok]
    error_rate = sum(not sample.ok for sample in mine) / len(mine) if mine else 0.0
    latency = median([sample.seconds for sample in mine if sample.ok] or [0.0])
    stable = median(others) if others else None
    verdict, reason = _verdict(len(mine), error_rate, latency, stable, plan)
    return RolloutStep(
        weight=weight,
        num_requests=len(samples),
        num_candidate=len(mine),
        error_rate=error_rate,
        latency_s=latency,
        stable_latency_s=stable,
        verdict=verdict,
        reason=reason,
    )


def _verdict(
    num_candidate: int, error_rate: float, latency: float, stable: float | None, plan: RolloutPlan
) -> tuple[str, str]:
    if error_rate > plan.max_error_rate:
        return (
            "fail",
            f"{error_rate:.1%} of its answers were errors, rollout.max_error_rate is {plan.max_error_rate:.1%}",
        )
    if num_candidate < plan.min_requests:
        return "inconclusive", f"{num_candidate} answers, rollout.min_requests asks for {plan.min_requests}"
    if stable is not None and latency > plan.max_latency_ratio * stable:
        return "fail", (
            f"median latency {latency:.2f} s is {latency / stable:.1f} times the stable deployment's, "
            f"rollout.max_latency_ratio is {plan.max_latency_ratio:g}"
        )
    return "pass", f"{num_candidate} answers, {error_rate:.1%} errors, median {latency:.2f} s"


IN_A_ROW = 5
"""Answers in a row by which a weight of 0 or 100 percent is believed."""
WINDOW = 20
"""Latest answers by which any other weight is believed, if the candidate gave at least half its share."""


def in_effect(samples: Sequence[Sample], *, candidate: str, weight: int) -> bool:
    """Return whether un-pinned requests show that a written weight has reached the data plane.

    One that nobody answered is the candidate's, as in the judgement: a candidate that hangs must not hide by it.
    """
    mine = [sample.deployment in (candidate, None) for sample in samples]
    if 0 < weight < 100:  # noqa: PLR2004 - percent
        return len(mine) >= WINDOW and sum(mine[-WINDOW:]) / WINDOW >= weight / 200
    return len(mine) >= IN_A_ROW and all(one == bool(weight) for one in mine[-IN_A_ROW:])
