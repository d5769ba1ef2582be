"""Apply the rules to per-example scores: accepted, rejected or inconclusive, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlops.gates.statistics import mean_interval
from mlops.records import RuleResult, Verdict

if TYPE_CHECKING:
    from mlops.gates.rules import GateSettings, Rule

Scores = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Model (candidate, champion, base) -> metric -> one value per example, in the same order for every model."""


@dataclass(frozen=True)
class Judgement:
    """The verdict on a candidate, the model it was compared with, and each rule's result."""

    verdict: Verdict
    reference: str
    results: tuple[RuleResult, ...]


def judge(scores: Scores, settings: GateSettings) -> Judgement:
    """Return the judgement: one rejected rule rejects, else one inconclusive rule leaves it open.

    Without a champion (the first release) the base model stands in for it.
    """
    reference = "champion" if "champion" in scores else "base"
    results = tuple(_apply(rule, scores, settings, reference) for rule in settings.rules)
    verdicts = {result.verdict for result in results}
    order = (Verdict.REJECTED, Verdict.INCONCLUSIVE, Verdict.ACCEPTED)
    return Judgement(next(verdict for verdict in order if verdict in verdicts), reference, results)


def _apply(rule: Rule, scores: Scores, settings: GateSettings, reference: str) -> RuleResult:
    against = reference if rule.against == "champion" else rule.against
    name = rule.name if against == rule.against else f"{rule.metric} against {against} (no champion yet)"
    columns = [scores.get(model, {}).get(rule.metric) for model in ("candidate", against) if model]
    if (flaw := _flaw(columns)) is not None:
        return _no_numbers(name, Verdict.REJECTED, f"{name}: {flaw}")
    candidate, *others = [column for column in columns if column is not None]
    if len(candidate) < settings.min_examples:
        few = f"{name}: {len(candidate)} examples, gate.min_examples asks for {settings.min_examples}"
        return _no_numbers(name, Verdict.INCONCLUSIVE, few)
    return _compare(rule, name, candidate, others[0] if others else None, settings.confidence)


def _flaw(columns: list[NDArray[np.float64] | None]) -> str | None:
    """Return what makes scores unfit to be judged, or None."""
    if any(column is None for column in columns):
        return "the evaluation has no such scores"
    lengths = {len(column) for column in columns if column is not None}
    if len(lengths) != 1 or 0 in lengths:
        return f"the models were scored on different numbers of examples ({sorted(lengths)})"
    if not all(np.isfinite(column).all() for column in columns if column is not None):
        return "a score is not a finite number"
    return None


def _no_numbers(name: str, verdict: Verdict, reason: str) -> RuleResult:
    return RuleResult(
        rule=name,
        verdict=verdict,
        candidate=0,
        reference=None,
        change=0,
        low=0,
        high=0,
        required=0,
        reason=reason,
    )


def _compare(
    rule: Rule,
    name: str,
    candidate: NDArray[np.float64],
    reference: NDArray[np.float64] | None,
    confidence: float,
) -> RuleResult:
    sign = 1 if rule.greater_is_better else -1
    target = reference if reference is not None else np.full_like(candidate, rule.threshold)
    change, low, high = mean_interval(sign * (candidate - target), confidence=confidence)
    required = _required(rule, float(np.mean(target))) if reference is not None else 0.0
    verdict = _verdict(low, high, required)
    return RuleResult(
        rule=name,
        verdict=verdict,
        candidate=float(np.mean(candidate)),
        reference=float(np.mean(target)),
        change=change,
        low=low,
        high=high,
        required=required,
        reason=_reason(name, verdict, (change, low, high, required), confidence),
    )


def _required(rule: Rule, reference: float) -> float:
    """Return the least change for the better, in the metric's unit; with neither demand, no loss is allowed."""
    demands = []
    if rule.min_absolute_change is not None:
        demands.append(rule.min_absolute_change)
    if rule.min_relative_change is not None:
        demands.append(rule.min_relative_change * abs(reference))
    return max(demands, default=0.0)


def _verdict(low: float, high: float, required: float) -> Verdict:
    if low >= required:
        return Verdict.ACCEPTED
    return Verdict.REJECTED if high < required else Verdict.INCONCLUSIVE


def _reason(name: str, verdict: Verdict, numbers: tuple[float, float, float, float], confidence: float) -> str:
    change, low, high, required = numbers
    said = f"{name}: change for the better {change:+.4f} ({confidence:.0%} interval {low:+.4f} to {high:+.4f})"
    if verdict is Verdict.REJECTED:
        return f"{said} misses the required {required:+.4f} by {required - change:.4f}"
    return f"{said}, required {required:+.4f}"
