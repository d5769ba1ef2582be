"""A figure beside its limit, pure: what is surely too bad fails, what only may be is inconclusive."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Final, Literal

from mlops.records import Finding

if TYPE_CHECKING:
    from mlops.rollout.plan import RolloutPlan

Verdict = Literal["pass", "inconclusive", "fail", "error"]
ORDER: Final = ("pass", "inconclusive", "fail", "error")
"""From good to bad: the worst decides."""


def finding(
    metric: str, verdict: Verdict, reason: str, value: float, reference: float | None, limit: float, num: int
) -> Finding:
    """Return a finding; its reason begins with what was measured."""
    told = f"{metric}: {reason}"
    return Finding(metric=metric, verdict=verdict, reason=told, value=value, reference=reference, limit=limit, num=num)


def lower_bound(successes: int, total: int, confidence: float) -> float:
    """Return the one-sided lower confidence bound of a rate (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(1 - confidence, successes, total - successes + 1)) if successes else 0.0


def share_within(
    metric: str, count: int, total: int, *, reference: float | None, most: float, plan: RolloutPlan, told: str = ""
) -> Finding:
    """Judge `count` of `total`: the share may be the stable deployment's, `reference`, plus `most`."""
    found, others = count / total if total else 0.0, reference or 0.0
    limit = others + most
    verdict: Verdict = "pass"
    if lower_bound(count, total, plan.confidence) > limit:
        verdict = "fail"
    elif found > limit or others > most:
        verdict = "inconclusive"
    reason = f"{found:.1%} of {total}"
    reason += f", {others:.1%} of the stable deployment's" if reference is not None else ""
    reason += f", at most {limit:.1%} may be" + (f" ({told})" if told and count else "")
    return finding(metric, verdict, reason, found, reference, limit, total)


def ratio_within(metric: str, mine: list[float], others: list[float], plan: RolloutPlan) -> Finding:
    """Test whether the candidate's values are above the limit times the others' (Mann and Whitney, 1947)."""
    from scipy.stats import mannwhitneyu

    limit = plan.max_latency_ratio
    ratio = median(mine) / median(others) if median(others) else math.inf
    p = mannwhitneyu(mine, [limit * value for value in others], alternative="greater").pvalue
    verdict: Verdict = "pass"
    if ratio > limit:
        verdict = "fail" if p < 1 - plan.confidence else "inconclusive"
    reason = f"median {median(mine):.3f}, {ratio:.1f} times the stable deployment's, at most {limit:g}"
    return finding(metric, verdict, reason, median(mine), median(others), limit * median(others), len(mine))


def is_below(values: list[float], limit: float, confidence: float) -> bool:
    """Return whether a mean is surely below a limit (one-sided t-test)."""
    from scipy.stats import ttest_1samp

    if len(set(values)) == 1:
        return values[0] < limit
    return bool(ttest_1samp(values, limit, alternative="less").pvalue < 1 - confidence)
