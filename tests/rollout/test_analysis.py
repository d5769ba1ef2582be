"""What a window of requests says: four verdicts, each with its figures."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.rollout.analysis import analyze, hopeless
from mlops.rollout.examples import Example
from mlops.rollout.limits import lower_bound
from mlops.rollout.plan import RolloutPlan
from mlops.rollout.probe import Sample
from mlops.rollout.window import Window
from tests.rollout.conftest import QUICK

PLAN = RolloutPlan.model_validate(
    QUICK | {"min_requests": 50, "max_error_rate": 0.02, "max_latency_ratio": 1.5, "max_rouge_drop": 0.1}
)
ANSWERS = {example: f"the answer to question {example}" for example in range(100)}
EXAMPLES = {example: Example(example, (), answer) for example, answer in ANSWERS.items()}


def samples(deployment: str | None, count: int, seed: int = 0, **fields: Any) -> list[Sample]:
    """Return requests that took about a second."""
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    return [_sample(deployment, example, dice, fields) for example in range(count)]


def _sample(deployment: str | None, example: int, dice: random.Random, fields: dict[str, Any]) -> Sample:
    seconds = dice.lognormvariate(0, 0.2) * fields.get("slower", 1)
    given = {"status": 200, "text": ANSWERS[example % 100], "seconds": seconds, "ttfb_s": seconds / 10, "tokens": 5}
    changed = {key: value for key, value in fields.items() if key != "slower"}
    return Sample(pin=deployment, deployment=deployment, example=example % 100, **given | changed)


def window(*given: list[Sample], stable: str | None = "blue") -> Window:
    """Return a window of green beside blue."""
    return Window([sample for each in given for sample in each], "green", stable, EXAMPLES)


BLUE = samples("blue", 60, seed=1)


@pytest.mark.parametrize(
    ("mine", "verdict", "reason"),
    [
        (samples("green", 60), "pass", "60 requests, no limit broken"),
        (samples("green", 49), "inconclusive", "rollout.min_requests asks for 50"),
        ([], "inconclusive", "0 requests to a deployment"),
        (samples("green", 50) + samples("green", 10, status=424), "fail", "errors: 16.7% of 60"),
        (samples("green", 58) + samples("green", 2, status=424), "inconclusive", "errors: 3.3% of 60"),
        (samples("green", 50) + samples("green", 20, status=429), "fail", "20 x capacity, 429"),
        (samples("green", 40) + samples("green", 20, text=" "), "fail", "bad answers: 33.3%"),
        (samples("green", 60, slower=3), "fail", "times the stable deployment's, at most 1.5"),
        (samples("green", 60, ttfb_s=1.0), "fail", "seconds to first byte"),
        (samples("green", 60, tokens=1), "fail", "seconds for a token"),
        (samples("green", 50) + samples("green", 14, slower=10), "fail", "slow answers: "),
        (samples("green", 60, text="who knows that"), "fail", "ROUGE-1"),
        (samples("green", 60) + samples("yellow", 5), "error", "do not say which of the two"),
        (samples("green", 60) + samples(None, 5, status=0), "error", "do not say which of the two"),
    ],
)
def test_each_measurement_has_its_verdict(mine: list[Sample], verdict: str, reason: str) -> None:
    """What is surely too bad fails; what may be, or is too little, never passes."""
    step = analyze(window(BLUE, mine), weight=10, plan=PLAN)
    assert (step.verdict, reason in step.reason) == (verdict, True), step.reason


def test_behavior_cases_are_compared_case_by_case() -> None:
    """What one case shows is one observation, however often it was asked; each deployment is asked all of them."""
    cases = {number: Example(number, (), matches="(?i)yes") for number in range(10)}

    def asked(deployment: str, passed: int) -> list[Sample]:
        return [
            Sample(pin=None, deployment=deployment, status=200, seconds=1, text=text, example=number)
            for number in cases
            for text in 6 * ["Yes." if number < passed else "Perhaps."]
        ]

    def verdict(mine: int, others: int) -> tuple[str, bool]:
        judged = Window([*asked("green", mine), *asked("blue", others)], "green", "blue", cases)
        step = analyze(judged, weight=10, plan=PLAN)
        return step.verdict, "behavior" in step.reason

    assert verdict(10, 10) == ("pass", False)
    assert verdict(8, 10) == ("pass", False)
    assert verdict(7, 10) == ("inconclusive", True)
    assert verdict(1, 10) == ("fail", True)
    assert verdict(0, 0) == ("pass", False)


def test_trouble_of_both_is_nobodys_fault() -> None:
    """Equal errors on both sides are inconclusive; worse than an ailing stable one still fails."""
    troubled = samples("blue", 50) + samples("blue", 50, status=401)
    equal = samples("green", 50) + samples("green", 50, status=401)
    worse = samples("green", 5) + samples("green", 95, status=401)
    assert analyze(window(troubled, equal), weight=10, plan=PLAN).verdict == "inconclusive"
    assert analyze(window(troubled, worse), weight=10, plan=PLAN).verdict == "fail"


def test_a_first_deployment_is_judged_alone() -> None:
    """There is nobody to compare with: errors and answers count, latency does not."""
    alone = window(samples("green", 60, slower=100), stable=None)
    assert analyze(alone, weight=100, plan=PLAN).verdict == "pass"
    of_nobody = window(samples("green", 60), samples(None, 60), stable=None)
    assert analyze(of_nobody, weight=100, plan=PLAN).verdict == "error"


def test_a_verdict_names_metric_value_limit_and_number() -> None:
    """Every finding can be read without the requests."""
    step = analyze(window(BLUE, samples("green", 60)), weight=10, plan=PLAN)
    errors = next(finding for finding in step.findings if finding.metric == "errors")
    assert (errors.value, errors.reference, errors.limit, errors.num) == (0, 0, 0.02, 60)


def test_a_finding_on_trial_is_shown_and_does_not_count() -> None:
    """What is in `dry_run` never changes the outcome."""
    trial = PLAN.model_copy(update={"dry_run": ("ROUGE-1",)})
    mine = samples("green", 60, text="who knows that")
    step = analyze(window(BLUE, mine), weight=10, plan=trial)
    assert step.verdict == "pass"
    assert {finding.metric: finding.verdict for finding in step.findings}["ROUGE-1"] == "fail"


@settings(deadline=None, max_examples=20)  # a test of this machine's speed it is not
@given(seed=st.integers(0, 10**6), slower=st.floats(0.5, 4), failed=st.integers(0, 20))
def test_the_same_requests_have_the_same_verdict(seed: int, slower: float, failed: int) -> None:
    """The judgement is a pure function."""
    mine = samples("green", 60, seed, slower=slower) + samples("green", failed, seed, status=500)
    one, other = (analyze(window(BLUE, list(mine)), weight=10, plan=PLAN) for _ in range(2))
    assert one == other


@settings(deadline=None, max_examples=20)
@given(failed=st.integers(0, 60))
def test_more_errors_are_never_judged_better(failed: int) -> None:
    """Pass, inconclusive, fail: in that order as errors grow."""
    order = ("pass", "inconclusive", "fail")

    def verdict(count: int) -> int:
        mine = samples("green", 60 - count) + samples("green", count, status=500)
        return order.index(analyze(window(BLUE, mine), weight=10, plan=PLAN).verdict)

    assert verdict(failed) <= verdict(min(60, failed + 1))


def test_a_hopeless_window_is_not_waited_for() -> None:
    """A row of failures, or far too many, ends it at once; not while the stable one fails as well."""
    good, failed = samples("green", 20), samples("green", 5, status=408)
    assert hopeless(window(good), PLAN) is None
    assert hopeless(window(good, failed), PLAN) == "5 requests in a row failed (5 x 408)"
    assert hopeless(window(good, failed, samples("blue", 5, status=408)), PLAN) is None
    many = window(samples("green", 90), samples("green", 19, status=500), samples("green", 1))
    assert "19 of 110 requests failed" in (hopeless(many, PLAN) or "")


@pytest.mark.parametrize(("failed", "total", "bound"), [(0, 10, 0.0), (1, 1, 0.05), (5, 10, 0.2224), (10, 10, 0.7411)])
def test_the_bound_of_a_rate_is_clopper_and_pearsons(failed: int, total: int, bound: float) -> None:
    """Against tabulated values of the one-sided 95 % bound."""
    assert lower_bound(failed, total, 0.95) == pytest.approx(bound, abs=1e-4)
