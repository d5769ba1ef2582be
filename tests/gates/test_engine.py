"""The gate's judgement."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlops.gates.engine import expected_power, judge
from mlops.gates.rules import Rule
from mlops.records import Verdict
from tests.gates.conftest import LOSS, columns, gate, losses, scores


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
    judgement = judge({"candidate": columns(loss=losses()), "base": columns(loss=losses() + 1)}, gate())
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
    assert judge({"candidate": columns(loss=losses())}, gate(rule)).verdict is verdict


def test_few_examples_are_inconclusive() -> None:
    """Ten lucky examples are no evidence."""
    few = losses(num_examples=9)
    assert judge(scores(few, few), gate(min_examples=10)).verdict is Verdict.INCONCLUSIVE


@settings(max_examples=15, deadline=None)
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


def test_many_rules_reject_less_easily_by_chance() -> None:
    """Of twenty equal demands one is missed by chance now and then; Holm's correction keeps that from rejecting."""
    dice = np.random.default_rng(5)
    worse = losses() + dice.normal(0.25, 1, 200)
    alone = judge(scores(worse, losses()), gate()).results[0]
    many = judge(scores(worse, losses()), gate(*[LOSS] * 20)).results[0]
    assert alone.verdict is Verdict.REJECTED
    assert many.verdict is Verdict.INCONCLUSIVE
    assert many.p_worse == pytest.approx(20 * alone.p_worse)


def test_a_warning_does_not_block() -> None:
    """A rule that only warns is shown, and changes nothing."""
    strict = Rule(metric="loss", greater_is_better=False, against="champion", min_absolute_change=3, severity="warn")
    judgement = judge(scores(losses(), losses()), gate(LOSS, strict))
    assert [result.verdict for result in judgement.results] == [Verdict.ACCEPTED, Verdict.REJECTED]
    assert judgement.verdict is Verdict.ACCEPTED


def test_a_slice_that_got_worse_rejects() -> None:
    """A candidate that forgot a language is rejected, though on the whole it is better."""
    candidate = losses() - 0.5
    candidate[:40] += 2
    judged = scores(candidate, losses())
    for model in judged.values():
        model["language"][:40] = "de"
    rule = LOSS.model_copy(update={"slices": ("language",)})
    judgement = judge(judged, gate(rule))
    assert [(result.slice, result.verdict) for result in judgement.results] == [
        (None, Verdict.ACCEPTED),
        ("language de", Verdict.REJECTED),
        ("language en", Verdict.ACCEPTED),
    ]
    assert judgement.verdict is Verdict.REJECTED


def test_a_slice_too_small_to_tell_leaves_no_doubt() -> None:
    """A slice can reject, but equality of twelve examples need not be proved."""
    noisy = losses() - 0.2
    noisy[:12] += np.random.default_rng(0).normal(0, 1, 12)
    judged = scores(noisy, losses())
    for model in judged.values():
        model["topic"][:12] = "food"
    judgement = judge(judged, gate(LOSS.model_copy(update={"slices": ("topic",)})))
    assert judgement.results[1].verdict is Verdict.INCONCLUSIVE
    assert judgement.verdict is Verdict.ACCEPTED


def test_the_examples_that_an_open_question_asks_for_decide_it() -> None:
    """With as many more examples as were named, most such questions are decided."""

    def noisy(seed: int, num_examples: int) -> np.ndarray:
        return losses(seed, num_examples) + np.random.default_rng(seed + 999).normal(-0.05, 0.5, num_examples)

    (result,) = judge(scores(noisy(0, 100), losses(0, 100)), gate()).results
    assert result.verdict is Verdict.INCONCLUSIVE
    enough = 100 + (result.num_more or 0)
    verdicts = [judge(scores(noisy(seed, enough), losses(seed, enough)), gate()).verdict for seed in range(1, 11)]
    assert verdicts.count(Verdict.INCONCLUSIVE) <= 5


def test_few_cases_are_not_decided_by_one_more() -> None:
    """One of forty lost where a tenth may be: it takes about sixty more until the interval clears that mostly."""
    rule = Rule(metric="passed", suite="behavior", greater_is_better=True, against="champion", min_absolute_change=-0.1)
    judged = {
        "candidate": columns(suite="behavior", passed=np.r_[0.0, np.ones(39)]),
        "champion": columns(suite="behavior", passed=np.ones(40)),
    }
    (result,) = judge(judged, gate(rule)).results
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.num_more == pytest.approx(60, abs=8)


def test_a_pass_or_fail_is_tested_as_one() -> None:
    """Ten cases gained and one lost of fifty is more than chance; three and two is not."""
    rule = Rule(metric="passed", suite="behavior", greater_is_better=True, against="champion")

    def result(gained: int, lost: int) -> Verdict:
        champion = np.r_[np.zeros(gained), np.ones(lost), np.ones(50 - gained - lost)]
        candidate = np.r_[np.ones(gained), np.zeros(lost), np.ones(50 - gained - lost)]
        judged = {
            "candidate": columns(suite="behavior", passed=candidate),
            "champion": columns(suite="behavior", passed=champion),
        }
        return judge(judged, gate(rule)).verdict

    assert result(10, 1) is Verdict.ACCEPTED
    assert result(3, 2) is Verdict.INCONCLUSIVE
    assert result(1, 12) is Verdict.REJECTED


@pytest.mark.parametrize(("share", "verdict"), [(0.5, Verdict.ACCEPTED), (0.001, Verdict.REJECTED)])
def test_a_share_of_a_reference_of_zero_is_any_gain(share: float, verdict: Verdict) -> None:
    """As in MLflow: from nothing, no percentage can be gained, so any gain will do; and none will not."""
    rule = Rule(metric="rougeL", greater_is_better=True, against="champion", min_relative_change=0.1)
    candidate = np.full(50, share) if share > 0.01 else np.zeros(50)
    judged = {"candidate": columns(rougeL=candidate), "champion": columns(rougeL=np.zeros(50))}
    assert judge(judged, gate(rule)).verdict is verdict


def test_the_expected_power_grows_with_the_regression() -> None:
    """What would have been seen is told from the spread of the differences that were."""
    (result,) = judge(scores(losses() + np.random.default_rng(1).normal(0, 0.5, 200), losses()), gate()).results
    powers = [expected_power(result, change) for change in (0.0, -0.05, -0.1, -0.5)]
    assert powers == sorted(powers)
    assert expected_power(result, result.detectable) == pytest.approx(0.8)


def test_what_has_no_spread_is_seen_for_certain() -> None:
    """Where every example changed alike, any change that is worse than allowed would have been seen, and no other."""
    (result,) = judge(scores(losses(), losses()), gate()).results
    assert (result.change, result.spread) == (0, 0)
    assert expected_power(result, result.required - 0.001) == 1
    assert expected_power(result, result.required + 0.001) == 0


def test_a_threshold_of_none_has_a_spread() -> None:
    """No empty answer among fifty is no proof that there will be none, and the figure can show how little it is."""
    rule = Rule(metric="empty", greater_is_better=False, threshold=0.0)
    (result,) = judge({"candidate": columns(empty=np.zeros(50))}, gate(rule)).results
    assert result.spread == pytest.approx(50**-0.5)
    assert result.low < result.change == result.high == 0
