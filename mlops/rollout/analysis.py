"""Judge a window of requests: the candidate beside the stable deployment, pure.

A limit is broken (`fail`) when a one-sided test at the plan's confidence says so; when only the figure itself is beyond
the limit, or there are too few requests, or both deployments are in trouble, the window is `inconclusive`; when the
requests cannot be told apart it is an `error`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean
from typing import TYPE_CHECKING, Final

from mlops.records import Finding, RolloutStep
from mlops.rollout.answers import is_bad, rouge_1
from mlops.rollout.limits import ORDER, Verdict, finding, is_below, lower_bound, ratio_within, share_within
from mlops.rollout.users import Users, judge
from mlops.rollout.window import Window, enough, share

if TYPE_CHECKING:
    from mlops.rollout.examples import Example
    from mlops.rollout.plan import RolloutPlan
    from mlops.rollout.probe import Sample

    Score = Callable[[str, Example], float | None]

MAX_UNATTRIBUTED: Final = 0.01
SLOW_QUANTILE: Final = 0.95
MAX_SLOW: Final = 0.1
"""Share of answers that may be slower than the limit times the stable deployment's 95th percentile: twice its own."""
MIN_FOR_TAIL: Final = 40
MIN_PAIRS: Final = 10
SURE: Final = 0.999
"""Confidence of the check that is made again and again while a window lasts."""
TOO_MANY: Final = 429


def analyze(
    window: Window, *, weight: int, plan: RolloutPlan, at: float = 0.0, users: Users | None = None
) -> RolloutStep:
    """Return the step's measurement, its findings and its verdict, with the finding that decided it as the reason.

    `users` is what the monitoring tells of everybody's requests, None where it is not asked.
    """
    findings = (
        _attribution(window),
        _volume(window, plan),
        _rate("errors", window, plan, plan.max_error_rate, lambda sample: not sample.ok),
        _rate("bad answers", window, plan, plan.max_bad_answers, lambda sample: sample.ok and is_bad(sample.text)),
        *_latencies(window, plan),
        *_paired("ROUGE-1", window, plan, plan.max_rouge_drop, _likeness),
        *_paired("behavior", window, plan, plan.max_behavior_drop, _behavior),
        *(judge(users, plan) if users else ()),
    )
    counted = [each for each in findings if each.metric not in plan.dry_run]
    worst = max(counted, key=lambda each: ORDER.index(each.verdict))
    passed = f"{len(window.mine)} requests, no limit broken"
    return RolloutStep(
        weight=weight,
        num_requests=len(window.samples),
        num_candidate=len(window.mine),
        error_rate=share(window.mine, lambda sample: not sample.ok),
        latency_s=window.latency_s or 0.0,
        stable_latency_s=window.stable_latency_s,
        verdict=worst.verdict,
        reason=passed if worst.verdict == "pass" else worst.reason,
        findings=findings,
        at=at,
    )


def hopeless(window: Window, plan: RolloutPlan) -> str | None:
    """Return why the window need not be waited for, or None: its last requests failed, or far too many did."""
    if window.others and not window.others[-1].ok:
        return None  # in the same moment the stable one does no better
    last = window.mine[-plan.max_in_a_row :]
    if len(last) == plan.max_in_a_row and not any(sample.ok for sample in last):
        return f"{len(last)} requests in a row failed ({_causes(last)})"
    limit = plan.max_error_rate + share(window.others, lambda sample: not sample.ok)
    failed = [sample for sample in window.mine if not sample.ok]
    if len(failed) > 1 and lower_bound(len(failed), len(window.mine), SURE) > limit:
        return f"{len(failed)} of {len(window.mine)} requests failed ({_causes(failed)}), at most {limit:.1%} may"
    return None


def _attribution(window: Window) -> Finding:
    """Find whether the answers say who gave them."""
    known = {window.candidate, window.stable} - {None}
    strange = sum(sample.deployment not in known for sample in window.samples)
    share = strange / len(window.samples) if window.samples else 1.0
    verdict: Verdict = "error" if share > MAX_UNATTRIBUTED else "pass"
    reason = f"{share:.1%} of {len(window.samples)} answers do not say which of the two deployments gave them"
    return finding("unattributed", verdict, reason, share, None, MAX_UNATTRIBUTED, len(window.samples))


def _volume(window: Window, plan: RolloutPlan) -> Finding:
    verdict: Verdict = "pass" if enough(window, plan) else "inconclusive"
    fewest = min(len(window.mine), len(window.others)) if window.stable else len(window.mine)
    reason = f"{fewest} requests to a deployment, rollout.min_requests asks for {plan.min_requests}"
    return finding("requests", verdict, reason, fewest, None, plan.min_requests, fewest)


def _rate(metric: str, window: Window, plan: RolloutPlan, most: float, is_counted: Callable[[Sample], bool]) -> Finding:
    """Judge a share: it may be the stable deployment's plus `most`."""
    counted = [sample for sample in window.mine if is_counted(sample)]
    reference = share(window.others, is_counted) if window.stable else None
    told = _causes(counted) if metric == "errors" else ""
    return share_within(metric, len(counted), len(window.mine), reference=reference, most=most, plan=plan, told=told)


def _latencies(window: Window, plan: RolloutPlan) -> Iterable[Finding]:
    """Compare seconds to the end, to the first byte and for a token, and the slowest answers."""
    measures: dict[str, Callable[[Sample], float | None]] = {
        "seconds": lambda sample: sample.seconds,
        "seconds to first byte": lambda sample: sample.ttfb_s,
        "seconds for a token": lambda sample: sample.seconds / sample.tokens if sample.tokens else None,
    }
    for metric, measure in measures.items():
        mine, others = (_values(each, measure) for each in (window.mine, window.others))
        if len(mine) > 1 and len(others) > 1:
            yield ratio_within(metric, mine, others, plan)
    mine, others = (_values(each, measures["seconds"]) for each in (window.mine, window.others))
    if min(len(mine), len(others)) >= MIN_FOR_TAIL:
        yield _tail(mine, others, plan)


def _tail(mine: list[float], others: list[float], plan: RolloutPlan) -> Finding:
    """Judge how many answers are much slower than nearly all of the stable deployment's."""
    slow = plan.max_latency_ratio * sorted(others)[int(SLOW_QUANTILE * len(others))]
    count = sum(value > slow for value in mine)
    share = count / len(mine)
    verdict: Verdict = "pass"
    if share > MAX_SLOW:
        verdict = "fail" if lower_bound(count, len(mine), plan.confidence) > MAX_SLOW else "inconclusive"
    reason = f"{share:.1%} take more than {slow:.3f} s, at most {MAX_SLOW:.0%} may"
    return finding("slow answers", verdict, reason, share, None, MAX_SLOW, len(mine))


def _paired(metric: str, window: Window, plan: RolloutPlan, most: float, score: Score) -> Iterable[Finding]:
    """Compare both deployments' answers to the same conversations, each scored from 0 to 1 (paired t-test)."""
    mine, others = (_scores(each, window.examples, score) for each in (window.mine, window.others))
    pairs = [(mine[example], others[example]) for example in mine if example in others]
    if len(pairs) < MIN_PAIRS:
        return
    changes = [one - other for one, other in pairs]
    verdict: Verdict = "pass"
    if fmean(changes) < -most:
        verdict = "fail" if is_below(changes, -most, plan.confidence) else "inconclusive"
    own, reference = fmean(one for one, _ in pairs), fmean(other for _, other in pairs)
    reason = f"{own:.3f}, the stable deployment's {reference:.3f}, at most {most:g} less"
    yield finding(metric, verdict, reason, own, reference, reference - most, len(pairs))


def _likeness(text: str, example: Example) -> float | None:
    return rouge_1(text, example.reference) if example.reference else None


def _behavior(text: str, example: Example) -> float | None:
    return float(re.search(example.matches, text) is not None) if example.matches else None


def _scores(samples: Iterable[Sample], examples: Mapping[int, Example], score: Score) -> dict[int, float]:
    """Return the mean score of the answers to each example that has one."""
    found: dict[int, list[float]] = {}
    for sample in samples:
        if sample.ok and sample.example in examples:
            value = score(sample.text, examples[sample.example])
            if value is not None:
                found.setdefault(sample.example, []).append(value)
    return {example: fmean(values) for example, values in found.items()}


def _values(samples: Iterable[Sample], measure: Callable[[Sample], float | None]) -> list[float]:
    measured = [measure(sample) for sample in samples if sample.ok]
    return [value for value in measured if value is not None]


def _causes(samples: Iterable[Sample]) -> str:
    """Return what the service said of failed requests, the most frequent first; 429 is a lack of capacity."""
    named = Counter(
        "capacity, 429" if sample.status == TOO_MANY else f"{sample.status} {sample.cause}".strip()
        for sample in samples
    )
    return ", ".join(f"{count} x {cause}" for cause, count in named.most_common(3))
