"""The gate's judgement."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops.gates.engine import Scores, judge
from mlops.gates.rules import GateSettings, Rule
from mlops.records import Verdict

LOSS = Rule(metric="loss", greater_is_better=False, against="champion", min_relative_change=-0.01)


def gate(*rules: Rule, min_examples: int = 10) -> GateSettings:
    """Return gate settings with these rules."""
    return GateSettings(rules=rules or (LOSS,), confidence=0.95, min_examples=min_examples)


def losses(seed: int = 0, num_examples: int = 200) -> np.ndarray:
    """Return plausible per-example losses."""
    return np.random.default_rng(seed).normal(4, 1, num_examples)


def scores(candidate: np.ndarray, reference: np.ndarray) -> Scores:
    """Return scores of a candidate, a champion and a hopeless base."""
    return {"candidate": {"loss": candidate}, "champion": {"loss": reference}, "base": {"loss": reference + 4}}


@pytest.mark.parametrize(
    ("worse_by", "verdict"),
    [(0.0, Verdict.ACCEPTED), (-0.5, Verdict.ACCEPTED), (0.02, Verdict.ACCEPTED), (0.5, Verdict.REJECTED)],
)
def test_a_clear_difference_is_judged_clearly(worse_by: float, verdict: Verdict) -> None:
    """No worse than the margin allows passes, clearly worse is rejected."""
    assert judge(scores(losses() + worse_by, losses()), gate()).verdict is verdict


def test_a_rejection_says_which_rule_and_by_how_much() -> None:
    """The reason holds the metric, the reference, the change, its interval and the shortfall."""
    (result,) = judge(scores(losses() + 0.5, losses()), gate()).results
    assert result.reason.startswith("loss against champion: change for the better -0.5000 (95% interval -0.5000 to ")
    assert "misses the required -0.0" in result.reason
    assert " by 0.4" in result.reason


def test_noise_is_inconclusive() -> None:
    """Where the interval holds the required change, nobody knows yet, and that is what is said."""
    dice = np.random.default_rng(1)
    noisy = losses() + dice.normal(0.04, 1, 200)
    assert judge(scores(noisy, losses()), gate()).verdict is Verdict.INCONCLUSIVE


def test_without_a_champion_the_base_takes_its_place() -> None:
    """A first release is still judged."""
    judgement = judge({"candidate": {"loss": losses()}, "base": {"loss": losses() + 1}}, gate())
    assert (judgement.reference, judgement.verdict) == ("base", Verdict.ACCEPTED)
    assert judgement.results[0].rule == "loss against base (no champion yet)"


def test_one_rejected_rule_rejects() -> None:
    """Being better than the base does not make up for being worse than the champion."""
    base = Rule(metric="loss", greater_is_better=False, against="base", min_relative_change=0.1)
    judgement = judge(scores(losses() + 0.5, losses()), gate(base, LOSS))
    assert [result.verdict for result in judgement.results] == [Verdict.ACCEPTED, Verdict.REJECTED]
    assert judgement.verdict is Verdict.REJECTED


@pytest.mark.parametrize(("threshold", "verdict"), [(5.0, Verdict.ACCEPTED), (3.0, Verdict.REJECTED)])
def test_an_absolute_threshold_needs_no_reference(threshold: float, verdict: Verdict) -> None:
    """A threshold is compared with the candidate alone."""
    rule = Rule(metric="loss", greater_is_better=False, threshold=threshold)
    assert judge({"candidate": {"loss": losses()}}, gate(rule)).verdict is verdict


def test_few_examples_are_inconclusive() -> None:
    """Ten lucky examples are no evidence."""
    few = losses(num_examples=9)
    assert judge(scores(few, few), gate(min_examples=10)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_never_accepted(poison: float) -> None:
    """NaN compares false with everything; it must not slip through as "not worse"."""
    candidate = losses()
    candidate[3] = poison
    assert judge(scores(candidate, losses()), gate()).verdict is Verdict.REJECTED


def test_missing_or_unequal_scores_are_never_accepted() -> None:
    """No metric, no model or another number of examples: rejected, with the reason."""
    assert judge({"candidate": {}, "base": {"loss": losses()}}, gate()).verdict is Verdict.REJECTED
    assert judge({"candidate": {"loss": losses()}}, gate()).verdict is Verdict.REJECTED
    unequal = judge(scores(losses()[:50], losses()), gate())
    assert "different numbers of examples" in unequal.results[0].reason


@settings(max_examples=25)
@given(shift=st.floats(min_value=-2, max_value=2), seed=st.integers(0, 1000))
def test_getting_worse_never_helps(shift: float, seed: int) -> None:
    """For the same examples, adding loss to every one can only worsen the verdict."""
    order = [Verdict.ACCEPTED, Verdict.INCONCLUSIVE, Verdict.REJECTED]
    candidate = losses(seed) + np.random.default_rng(seed).normal(shift, 0.2, 200)
    before = judge(scores(candidate, losses(seed)), gate()).verdict
    after = judge(scores(candidate + 0.1, losses(seed)), gate()).verdict
    assert order.index(after) >= order.index(before)


def test_same_scores_same_judgement() -> None:
    """The gate has no dice of its own."""
    noisy = losses() + np.random.default_rng(2).normal(0, 1, 200)
    assert judge(scores(noisy, losses()), gate()) == judge(scores(noisy, losses()), gate())


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"against": "champion", "threshold": 3.0},
        {"threshold": 3.0, "min_relative_change": 0.1},
    ],
)
def test_a_rule_that_asks_nothing_or_two_things_is_refused(wrong: dict[str, object]) -> None:
    """A typo in a rule must not become a rule that everybody meets."""
    with pytest.raises(ValidationError):
        Rule(metric="rougeL", greater_is_better=True, **wrong)
