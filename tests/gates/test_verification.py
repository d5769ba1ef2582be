"""A decision is believed if its examples give it again, and the workspace says the same of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mlops.gates.engine import decide
from mlops.gates.integrity import flaws_of_age
from mlops.gates.rules import Rule
from mlops.gates.verification import disagreements, mismatches, other_rules, rules, signature
from mlops.records import Evaluation, GateDecision, Provenance, Verdict
from tests.gates.conftest import NOW, gate, losses, scores

WORSE = scores(losses() + 0.5, losses())


@pytest.fixture
def decision(evaluation: Callable[..., Evaluation]) -> Callable[..., GateDecision]:
    """Return a function that makes the true decision on a worse candidate, with changes."""

    def make(**changes: Any) -> GateDecision:
        judged = evaluation()
        judgement = decide(judged, WORSE, gate(), now=NOW)
        values: dict[str, Any] = {
            "evaluation": judged,
            "verdict": judgement.verdict,
            "reference": judgement.reference,
            "results": judgement.results,
            "flaws": judgement.flaws,
            "rules": rules(gate()),
            "override": None,
            "decided": Provenance(by="me", where="here", at=NOW, commit="c"),
        }
        return GateDecision.model_construct(**(values | changes))

    return make


def test_a_true_decision_is_found_again(decision: Callable[..., GateDecision]) -> None:
    """Judging has no dice of its own, so the same examples give the same numbers."""
    assert list(disagreements(decision(), WORSE)) == []
    assert list(other_rules(decision(), gate())) == []


def test_tampered_decision(decision: Callable[..., GateDecision]) -> None:
    """A verdict that was changed, and sealed with a digest that fits, is not what the examples give."""
    forged = decision(verdict=Verdict.ACCEPTED)
    assert list(disagreements(forged, WORSE)) == ["the examples give another verdict than it says"]


def test_rules_made_easier_for_one_decision(decision: Callable[..., GateDecision]) -> None:
    """Rules that everybody meets, written into the decision and judged by, are not those of the settings."""
    easy = gate(Rule(metric="loss", greater_is_better=False, threshold=100))
    judgement = decide(decision().evaluation, WORSE, easy, now=NOW)
    forged = decision(verdict=judgement.verdict, results=judgement.results, rules=rules(easy))
    assert judgement.verdict is Verdict.ACCEPTED
    assert list(disagreements(forged, WORSE)) == []
    assert list(other_rules(forged, gate())) == [
        "gate.rules.0.against was not set, is champion",
        "gate.rules.0.threshold was 100.0, is not set",
        "gate.rules.0.min_relative_change was not set, is -0.01",
    ]


def test_settings_that_changed_since_are_named(decision: Callable[..., GateDecision]) -> None:
    """Each with both values, so that they can be set as they were; of many, the first."""
    changed = gate(confidence=0.9, min_examples=20, power=0.9, max_age_hours=1)
    assert list(other_rules(decision(), changed)) == [
        "gate.confidence was 0.95, is 0.9",
        "gate.min_examples was 10, is 20",
        "gate.power was 0.8, is 0.9",
        "and 1 more",
    ]


def test_tampered_metrics_with_recomputed_digest(evaluation: Callable[..., Evaluation]) -> None:
    """Better scores sealed anew have another digest than the one that was written on the job when it ended."""
    written = {"evaluation_digest": evaluation().digest}
    forged = evaluation(metrics={"candidate": {"loss": 0.1}})
    (said,) = mismatches({"evaluation_digest": forged.digest}, written, where="job evaluate-1")
    assert said.startswith("job evaluate-1 has the tag evaluation_digest = ")
    assert list(mismatches(written, written, where="job evaluate-1")) == []


def test_an_override_that_nobody_gave(decision: Callable[..., GateDecision]) -> None:
    """Written into the file and sealed anew, it agrees with the examples, but is not on the job."""
    forged = decision(verdict=Verdict.INCONCLUSIVE, override="few users, and we watch")
    said = list(mismatches(signature(forged), {"evaluation_digest": "a" * 64}, where="job evaluate-1"))
    assert [line.partition(" = ")[0] for line in said] == [
        "job evaluate-1 has the tag override",
        "job evaluate-1 has the tag decided_by",
    ]
    assert list(mismatches(signature(forged), signature(forged), where="job evaluate-1")) == []
    assert signature(decision()) == {}


def test_a_backdated_decision_is_no_younger(evaluation: Callable[..., Evaluation]) -> None:
    """Decided while its evaluation was fresh, or so it says: what counts is the clock of who registers."""
    long_ago = NOW - timedelta(days=8)
    old = evaluation(scored_at=long_ago)
    assert decide(old, WORSE, gate(), now=long_ago).flaws == ()
    assert [flaw.code for flaw in flaws_of_age(old, gate(), now=NOW)] == ["stale"]
    assert list(flaws_of_age(old, gate(max_age_hours=24 * 9), now=NOW)) == []


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.ACCEPTED])
def test_only_doubt_can_be_overridden(decision: Callable[..., GateDecision], verdict: Verdict) -> None:
    """A person may settle what is inconclusive; a rejected candidate stays rejected, whoever signs."""
    with pytest.raises(ValueError, match="cannot be overridden"):
        GateDecision.model_validate(dict(decision(verdict=verdict, override="the boss wants it")))


def test_an_override_is_never_left_out(decision: Callable[..., GateDecision]) -> None:
    """It says who, why, and what the gate itself said."""
    overridden = decision(verdict=Verdict.INCONCLUSIVE, override="few users, and we watch")
    assert overridden.accepted
    assert overridden.refusal is None
    assert overridden.outcome == ("accepted by override of me (the gate said inconclusive): few users, and we watch")
