"""Apply the rules to per-example scores: accepted, rejected or inconclusive, by how much, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from mlops.gates.integrity import find_flaws
from mlops.gates.metrics import PASS_FAIL
from mlops.gates.scores import Pair, reference_of, select, slices_of
from mlops.gates.statistics import (
    Estimate,
    Mean,
    PairedShare,
    Share,
    distance_seen,
    examples_needed,
    holm,
    power_to_see,
    reach_for,
)
from mlops.records import Flaw, RuleResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mlops.gates.rules import GateSettings, Rule
    from mlops.gates.scores import Scores
    from mlops.records import Evaluation

ZERO_REFERENCE: Final = 1e-10
"""Of a reference of 0 no share can be asked: any gain will do, as in MLflow."""


@dataclass(frozen=True)
class Judgement:
    """The verdict on a candidate, what it was compared with, each rule's result, and what made judging impossible."""

    verdict: Verdict
    reference: str
    results: tuple[RuleResult, ...]
    flaws: tuple[Flaw, ...] = ()


@dataclass(frozen=True)
class _Finding:
    """One rule on one slice, before the correction for the number of rules."""

    rule: Rule
    name: str
    slice: str | None
    pair: Pair
    estimate: Estimate
    required: float
    alpha: float
    p_worse: float
    """Small where the candidate clearly misses what is required; corrected once all rules are known."""

    @property
    def blocks(self) -> bool:
        return self.rule.severity == "block"


def decide(evaluation: Evaluation, scores: Scores, settings: GateSettings, *, now: datetime) -> Judgement:
    """Return the judgement on an evaluation; one that is flawed in any way is rejected, whatever its scores say."""
    flaws = find_flaws(evaluation, scores, settings, now=now)
    if flaws:
        return Judgement(Verdict.REJECTED, reference_of(evaluation.models), (), flaws)
    return judge(scores, settings)


def judge(scores: Scores, settings: GateSettings) -> Judgement:
    """Return the judgement on scores that have no flaw.

    A candidate is accepted if it meets every rule that blocks: each at its own confidence, since all must hold
    (an intersection-union test, Berger 1982). It is rejected if it clearly misses one: any of many may do so by
    chance, so these p-values are corrected for their number (Holm 1979). A slice can reject, but is too small to be
    asked for proof. Without a champion, at the first release, the base model stands in for it.
    """
    reference = reference_of(scores)
    findings = [finding for rule in settings.rules for finding in _findings(rule, scores, settings, reference)]
    findings = _corrected(findings)
    tests = sum(finding.blocks for finding in findings)
    results = tuple(_result(finding, settings, tests if finding.blocks else 1) for finding in findings)
    return Judgement(_overall(results), reference, results)


def _findings(rule: Rule, scores: Scores, settings: GateSettings, reference: str) -> Iterator[_Finding]:
    """Yield the rule on all examples, then on each slice that has enough of them."""
    against = reference if rule.against == "champion" else rule.against
    name = rule.name if against == rule.against else f"{rule.name.removesuffix('champion')}base (no champion yet)"
    pair = select(scores, rule.metric, rule.suite, against)
    yield _finding(rule, name, None, pair, settings)
    for label, part in slices_of(scores, pair, rule.slices):
        if len(part.candidate) >= _least(rule, settings):
            yield _finding(rule, name, label, part, settings)


def _finding(rule: Rule, name: str, label: str | None, pair: Pair, settings: GateSettings) -> _Finding:
    estimate = _estimate(rule, pair)
    required = _required(rule, pair)
    alpha = (1 - (rule.confidence or settings.confidence)) / 2
    return _Finding(rule, name, label, pair, estimate, required, alpha, estimate.p_not_below(required))


def _estimate(rule: Rule, pair: Pair) -> Estimate:
    """Return the change for the better: paired differences, or the candidate's own distance to the threshold."""
    sign = 1 if rule.greater_is_better else -1
    if pair.reference is None:
        threshold = rule.threshold or 0.0
        if rule.metric in PASS_FAIL:
            passes = pair.candidate if rule.greater_is_better else 1 - pair.candidate
            return Share(passes, threshold if rule.greater_is_better else 1 - threshold)
        return Mean(sign * (pair.candidate - threshold))
    differences = sign * (pair.candidate - pair.reference)
    return PairedShare(differences) if rule.metric in PASS_FAIL else Mean(differences)


def _required(rule: Rule, pair: Pair) -> float:
    """Return the least change for the better, in the metric's unit; with neither demand, no loss is allowed."""
    demands = []
    if rule.min_absolute_change is not None:
        demands.append(rule.min_absolute_change)
    if rule.min_relative_change is not None and pair.reference is not None:
        mean = abs(float(np.mean(pair.reference)))
        asks_for_gain = rule.min_relative_change > 0
        demands.append(rule.min_relative_change * mean if mean or not asks_for_gain else ZERO_REFERENCE)
    return max(demands, default=0.0)


def _corrected(findings: list[_Finding]) -> list[_Finding]:
    adjusted = iter(holm([finding.p_worse for finding in findings if finding.blocks]))
    return [replace(finding, p_worse=next(adjusted)) if finding.blocks else finding for finding in findings]


def _least(rule: Rule, settings: GateSettings) -> int:
    return rule.min_examples or settings.min_examples


def _verdict(finding: _Finding, least: int) -> Verdict:
    """Return what the rule says; a clear miss needs no minimum of examples, being met does."""
    if finding.p_worse <= finding.alpha:
        return Verdict.REJECTED
    is_met = finding.estimate.p_not_above(finding.required) <= finding.alpha
    return Verdict.ACCEPTED if is_met and len(finding.pair.candidate) >= least else Verdict.INCONCLUSIVE


def _result(finding: _Finding, settings: GateSettings, tests: int) -> RuleResult:
    pair, estimate, rule = finding.pair, finding.estimate, finding.rule
    confidence, size = 1 - 2 * finding.alpha, len(pair.candidate)
    low, high = estimate.interval(confidence)
    verdict = _verdict(finding, _least(rule, settings))
    error = estimate.spread / math.sqrt(size)
    reach = reach_for(high - estimate.change, alpha=finding.alpha, tests=tests)
    seen = distance_seen(error, reach=reach, power=settings.power)
    result = RuleResult(
        rule=finding.name,
        metric=rule.metric,
        suite=rule.suite,
        slice=finding.slice,
        severity=rule.severity,
        verdict=verdict,
        num_examples=size,
        candidate=float(np.mean(pair.candidate)),
        reference=None if pair.reference is None else float(np.mean(pair.reference)),
        change=estimate.change,
        low=low,
        high=high,
        confidence=confidence,
        required=finding.required,
        p_worse=finding.p_worse,
        p_not_better=estimate.p_not_above(finding.required),
        spread=estimate.spread,
        detectable=finding.required - seen,
        num_more=_more(finding, settings, tests) if verdict is Verdict.INCONCLUSIVE else None,
        reason="",
    )
    return result.model_copy(update={"reason": _reason(result, settings.power)})


def _more(finding: _Finding, settings: GateSettings, tests: int) -> int | None:
    """Return how many more examples would decide if the change and its spread stay what they seem, or None."""
    estimate, required, size = finding.estimate, finding.required, len(finding.pair.candidate)
    alpha = finding.alpha if estimate.change > required else finding.alpha / tests
    power_of = partial(estimate.power, required=required, alpha=alpha)
    least = max(_least(finding.rule, settings), size + 1)
    total = examples_needed(power_of, power=settings.power, least=least)
    return None if total is None else total - size


def expected_power(result: RuleResult, change: float, *, tests: int = 1) -> float:
    """Return how surely an evaluation like this one rejects a candidate whose true change is this one."""
    alpha = (1 - result.confidence) / 2
    reach = reach_for(result.high - result.change, alpha=alpha, tests=tests)
    return power_to_see(result.required - change, result.spread / math.sqrt(result.num_examples), reach=reach)


def _reason(result: RuleResult, power: float) -> str:
    name = result.rule if result.slice is None else f"{result.rule}, {result.slice}"
    said = (
        f"{name}: change for the better {result.change:+.4f} "
        f"({100 * result.confidence:g}% interval {result.low:+.4f} to {result.high:+.4f})"
    )
    if result.verdict is Verdict.REJECTED:
        return f"{said} misses the required {result.required:+.4f} by {result.required - result.change:.4f}"
    if result.verdict is Verdict.ACCEPTED:
        return f"{said}, required {result.required:+.4f}"
    more = "no number of examples is likely to decide" if result.num_more is None else f"{result.num_more:,} more"
    return f"{said}, required {result.required:+.4f}, cannot be told from {result.num_examples:,} examples: {more}" + (
        "" if result.num_more is None else f" would decide with {power:.0%} probability"
    )


def _overall(results: tuple[RuleResult, ...]) -> Verdict:
    blocking = [result for result in results if result.severity == "block"]
    if any(result.verdict is Verdict.REJECTED for result in blocking):
        return Verdict.REJECTED
    if any(result.verdict is Verdict.INCONCLUSIVE and result.slice is None for result in blocking):
        return Verdict.INCONCLUSIVE
    return Verdict.ACCEPTED
