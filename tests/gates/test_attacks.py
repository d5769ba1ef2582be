"""Ways to get a bad candidate past the gate, each tried, and refused for its own reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from mlops.gates.engine import Judgement, decide
from mlops.gates.rules import GateSettings, Rule
from mlops.gates.scores import Scores
from mlops.records import Evaluation, ScoredModel, Verdict
from tests.gates.conftest import NOW, columns, gate, losses, scores

Make = Callable[..., Evaluation]


def attack(evaluation: Evaluation, attacked: Scores | None = None, settings: GateSettings | None = None) -> Judgement:
    """Return the judgement on an evaluation of a candidate that is better than its champion, unless it says more."""
    return decide(evaluation, attacked or scores(losses() - 0.5, losses()), settings or gate(), now=NOW)


def refused_for(judgement: Judgement) -> set[str]:
    """Return the codes of the flaws of a candidate that is rejected."""
    assert judgement.verdict is Verdict.REJECTED
    return {flaw.code for flaw in judgement.flaws}


def test_without_an_attack_the_better_candidate_is_accepted(evaluation: Make) -> None:
    """The attacks below start from here, so it is they that are refused."""
    assert attack(evaluation()).verdict is Verdict.ACCEPTED


def test_worse(evaluation: Make) -> None:
    """A worse candidate is rejected for the rule that it misses."""
    judgement = attack(evaluation(), scores(losses() + 0.5, losses()))
    assert judgement.verdict is Verdict.REJECTED
    assert "loss against champion" in judgement.results[0].reason
    assert "misses the required" in judgement.results[0].reason


def test_equal_but_noisy(evaluation: Make) -> None:
    """Noise as large as any difference is no proof of equality, and the number of examples that would be is named."""
    noisy = losses() + np.random.default_rng(1).normal(0, 1, 200)
    judgement = attack(evaluation(), scores(noisy, losses()))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.results[0].num_more is not None


def test_candidate_and_champion_swapped(evaluation: Make) -> None:
    """The roles are bound to the models by id, and by the hash that the champion was registered with."""
    by_id = {role: ScoredModel(id=f"{other}-model", sha256=role) for role, other in SWAPPED.items()}
    assert refused_for(attack(evaluation(models=by_id))) == {"swapped_roles"}
    known = {"champion": "champion"}
    by_content = {
        role: ScoredModel(id=f"{role}-model", sha256=other, registered_sha256=known.get(role))
        for role, other in SWAPPED.items()
    }
    assert refused_for(attack(evaluation(models=by_content))) == {"swapped_roles"}


SWAPPED = {"candidate": "champion", "champion": "candidate", "base": "base"}


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_not_a_number(evaluation: Make, poison: float) -> None:
    """NaN compares false with everything; it must not slip through as "not worse"."""
    candidate = losses() - 0.5
    candidate[3] = poison
    assert refused_for(attack(evaluation(), scores(candidate, losses()))) == {"not_finite"}


def test_empty(evaluation: Make) -> None:
    """Nothing scored is nothing proved, even where the evaluation says that nothing was to be scored."""
    nothing = scores(np.array([]), np.array([]))
    assert refused_for(attack(evaluation(suites={"held_out": 0}), nothing)) == {"no_examples"}


def test_one_example_repeated(evaluation: Make) -> None:
    """A lucky example counts once."""
    attacked = scores(losses() - 0.5, losses())
    for model in attacked.values():
        model["key"][:] = model["key"][0]
    assert refused_for(attack(evaluation(), attacked)) == {"duplicated"}


def test_stale(evaluation: Make) -> None:
    """An old evaluation compared with a champion of its day."""
    assert refused_for(attack(evaluation(scored_at=NOW - timedelta(days=8)))) == {"stale"}


def test_clock_in_the_future(evaluation: Make) -> None:
    """An evaluation that says it will happen never grows stale."""
    assert refused_for(attack(evaluation(scored_at=NOW + timedelta(days=1)))) == {"future"}


def test_other_data_set(evaluation: Make) -> None:
    """An easier test split than the run's own."""
    assert refused_for(attack(evaluation(test_data_sha256="f" * 64))) == {"other_data"}


def test_other_job(evaluation: Make) -> None:
    """A better model than the one that the run trained."""
    models = evaluation().models | {"candidate": ScoredModel(id="another-model", sha256="x")}
    assert refused_for(attack(evaluation(models=models))) == {"other_job"}


def test_other_seed(evaluation: Make) -> None:
    """Examples drawn with another seed for the champion are other examples, though as many."""
    attacked = scores(losses() - 0.5, losses())
    attacked["champion"]["key"][:100] = [f"{number:016x}" for number in range(1000, 1100)]
    assert refused_for(attack(evaluation(), attacked)) == {"misaligned"}


@pytest.mark.parametrize(
    ("metric", "greater_is_better"), [("loss", True), ("rougeL", False), ("empty", True), ("passed", False)]
)
def test_wrong_direction_in_settings(metric: str, greater_is_better: bool) -> None:
    """A rule that asks for the worse is no rule, and the settings say so before anything runs."""
    with pytest.raises(ValidationError, match="would let the worse pass"):
        Rule(metric=metric, greater_is_better=greater_is_better, threshold=0.5)


@pytest.mark.parametrize("suite", ["held_out", "general", "behavior"])
def test_per_example_file_truncated(evaluation: Make, suite: str) -> None:
    """The hard examples of a suite are gone for every model, so nothing else would show it."""
    attacked = scores(losses()[:150] - 0.5, losses()[:150])
    for model in attacked.values():
        model["suite"][:] = suite
    rule = Rule(metric="loss", suite=suite, greater_is_better=False, against="base")
    assert refused_for(attack(evaluation(suites={suite: 200}), attacked, gate(rule))) == {"truncated"}


def test_examples_left_out_of_one_model(evaluation: Make) -> None:
    """The candidate was not asked what it cannot do: fewer rows, or rows without a value."""
    attacked = scores(losses() - 0.5, losses())
    fewer = {**attacked, "candidate": {name: column[:150] for name, column in attacked["candidate"].items()}}
    assert "unequal" in refused_for(attack(evaluation(), fewer))
    attacked["candidate"]["loss"][100:] = np.ma.masked
    assert refused_for(attack(evaluation(), attacked)) == {"unequal"}


def test_champion_is_the_candidate(evaluation: Make) -> None:
    """Compared with itself, every model is as good as the champion."""
    models = evaluation().models
    same = models | {
        "champion": models["champion"].model_copy(update={"sha256": "candidate", "registered_sha256": None})
    }
    assert refused_for(attack(evaluation(models=same))) == {"same_model"}


def test_champion_left_out(evaluation: Make) -> None:
    """Without its scores the base would stand in for it: an easy win."""
    attacked: dict[str, Any] = dict(scores(losses() - 0.5, losses()))
    del attacked["champion"]
    assert refused_for(attack(evaluation(), attacked)) == {"missing_model"}


@pytest.mark.parametrize("role", ["candidate", "base"])
def test_a_role_left_out_of_scores_and_evaluation_alike(evaluation: Make, role: str) -> None:
    """Nobody disagrees with anybody, but whom the rules speak of was not scored."""
    models, attacked = dict(evaluation().models), dict(scores(losses() - 0.5, losses()))
    del models[role], attacked[role]
    base = Rule(metric="loss", greater_is_better=False, against="base")
    assert "missing_model" in refused_for(attack(evaluation(models=models), attacked, gate(base)))


def test_rule_on_a_metric_that_nobody_measured(evaluation: Make) -> None:
    """No judge was asked, or the metric is younger than the evaluation: that is no proof of anything."""
    judgement = attack(evaluation(), None, gate(Rule(metric="preference", greater_is_better=True, threshold=0.5)))
    assert refused_for(judgement) == {"missing_metric"}
    assert judgement.flaws[0].detail == "preference of candidate was not measured: evaluate again"


def test_test_set_leaked_into_training(evaluation: Make) -> None:
    """What was learnt by heart proves nothing."""
    judgement = attack(evaluation(contamination=0.4))
    assert refused_for(judgement) == {"contaminated"}
    assert judgement.flaws[0].detail.startswith("40.0% of the held-out examples are in the training data")


def test_rule_with_zero_examples(evaluation: Make) -> None:
    """A rule on what was not measured is not met."""
    rule = Rule(metric="rougeL", greater_is_better=True, against="champion")
    attacked = {model: columns(loss=losses(), rougeL=losses()) for model in ("candidate", "champion", "base")}
    for model in attacked.values():
        model["rougeL"][:] = np.ma.masked
    assert refused_for(attack(evaluation(), attacked, gate(rule))) == {"no_examples"}


def test_only_warnings_in_settings() -> None:
    """Rules that nobody has to meet are no gate."""
    with pytest.raises(ValidationError, match="let one block"):
        gate(Rule(metric="loss", greater_is_better=False, threshold=9, severity="warn"))
