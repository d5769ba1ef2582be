"""The gate's report: the verdict first, an override never left out, texts of strangers never markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mlops.records import (
    DataAsset,
    Evaluation,
    FineTuningJob,
    FinetuningPlan,
    Flaw,
    GateDecision,
    Measured,
    Provenance,
    RuleResult,
    ScoredModel,
    Split,
    Verdict,
)
from mlops.reports import model_card
from mlops.reports.decision import compare, html, markdown
from mlops.reports.tables import decision as table

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def answer(model: str, key: str, said: str, score: float, suite: str = "held_out") -> dict[str, Any]:
    """Return a row of an answered question."""
    return {
        "model": model,
        "suite": suite,
        "key": key,
        "prompt": "Is <b>this</b> markup?",
        "prediction": said,
        "reference": "no",
        "rougeL": score,
        "loss": 1.0,
    }


LOSSES = {"loss": ((1, 3.5), (2, 3.25)), "eval_loss": ((2, 3.4),)}
ANSWERS = [
    answer("candidate", "a", "candidate says <script>", 0.1),
    answer("champion", "a", "champion says", 0.9),
    answer("candidate", "b", "a gain", 0.8),
    answer("champion", "b", "was worse", 0.2),
    answer("candidate", "g", "general", 0.8, "general"),
]


def make(verdict: Verdict = Verdict.ACCEPTED, **changes: Any) -> GateDecision:
    """Return a decision on one rule."""
    split = Split.model_construct(rows=100, sha256="d" * 64, uri="u")
    data = DataAsset.model_construct(
        id="azureml:chats:1", source="chats", content_hash="c" * 64, train=split, validation=split, test=split
    )
    job = FineTuningJob.model_construct(
        data=data,
        name="finetune-1",
        display_name="phi-chats",
        foundation_model="phi",
        component="pipeline",
        compute="gpu",
        num_gpus=1,
        parameters={"lora_r": 16},
        plan=FinetuningPlan.model_construct(usd=1.0, size="Standard_NC24ads_A100_v4", num_nodes=1, price="3.67 USD/h"),
        measured=Measured.model_construct(usd=2.0, hours=0.5, losses=LOSSES),
        trained_model="m",
        studio_url="",
    )
    evaluation = Evaluation.model_construct(
        job=job,
        name="evaluate-1",
        champion="azureml:phi-chats:1",
        models={"candidate": ScoredModel(id="m", sha256="a" * 64)},
        suites={"held_out": 200},
        contamination=0.0,
        scored_at=NOW,
        test_data_sha256="d" * 64,
        examples_sha256="e" * 64,
        metrics={"candidate": {"loss": 3.5}, "champion": {"loss": 3.6}},
        studio_url="",
    )
    result = RuleResult(
        rule="loss against champion",
        metric="loss",
        suite="held_out",
        slice=None,
        severity="block",
        verdict=verdict,
        num_examples=200,
        candidate=3.5,
        reference=3.6,
        change=0.1,
        low=0.05,
        high=0.15,
        confidence=0.95,
        required=-0.036,
        p_worse=1.0,
        p_not_better=0.0,
        spread=0.25,
        detectable=-0.1,
        num_more=None,
        reason="it is better",
    )
    values: dict[str, Any] = {
        "evaluation": evaluation,
        "verdict": verdict,
        "reference": "champion",
        "results": (result,),
        "flaws": (),
        "rules": {"power": 0.8},
        "override": None,
        "decided": Provenance(by="anna", where="here", at=NOW, commit="abc"),
    }
    return GateDecision.model_construct(**(values | changes))


@pytest.mark.parametrize(
    ("verdict", "cell"), [(Verdict.REJECTED, "| **rejected** |"), (Verdict.ACCEPTED, "| accepted |")]
)
def test_in_a_comment_the_rows_that_stand_in_the_way_are_bold(verdict: Verdict, cell: str) -> None:
    """A reviewer finds them among all rules; where nothing stands in the way, nothing is."""
    assert cell in markdown(make(verdict), ANSWERS)


@pytest.mark.parametrize("render", [markdown, html])
def test_the_verdict_comes_before_everything(render: Any) -> None:
    """Who reads one line knows it."""
    text = render(make(Verdict.REJECTED), ANSWERS)
    body = text.partition("<body>")[2] or text
    assert body.index("rejected") < body.index("loss against champion")


@pytest.mark.parametrize("render", [markdown, html])
def test_an_override_is_shown_with_who_and_why(render: Any) -> None:
    """It is recorded as such, and shown wherever the decision is."""
    overridden = make(Verdict.INCONCLUSIVE, override="few users, and we watch")
    for text in (
        render(overridden, ANSWERS),
        table(overridden).title,
        model_card.markdown(overridden, license="mit"),
    ):
        assert "accepted by override of anna (the gate said inconclusive): few users, and we watch" in text.replace(
            "\\", ""
        )


@pytest.mark.parametrize("render", [markdown, html])
def test_a_flaw_is_named(render: Any) -> None:
    """Without results there is still a report, which says why."""
    flawed = make(Verdict.REJECTED, results=(), flaws=(Flaw(code="stale", detail="scored long ago"),))
    text = render(flawed, ANSWERS)
    assert "stale" in text
    assert "scored long ago" in text


@pytest.mark.parametrize("render", [markdown, html])
def test_each_rule_is_shown_with_its_own_confidence(render: Any) -> None:
    """A rule may be surer than the others."""
    (result,) = make().results
    text = render(make(results=(result, result.model_copy(update={"confidence": 0.975}))), ANSWERS)
    assert "+0.0500 to +0.1500 (95 %)" in text
    assert "+0.0500 to +0.1500 (97.5 %)" in text


@pytest.mark.parametrize(("low", "high", "drawn"), [(-0.05, 0.05, True), (0.0, 0.0, False)])
def test_no_change_at_all_is_drawn_as_one(low: float, high: float, drawn: bool) -> None:
    """What has an interval is in the figure, also where its middle is 0; a change without any spread has none."""
    (result,) = make().results
    still = result.model_copy(update={"change": 0.0, "low": low, "high": high, "spread": high})
    assert ("The upright mark is what was required" in html(make(results=(still,)), ANSWERS)) is drawn


def test_training_is_shown_with_its_curves_and_its_cost() -> None:
    """How the loss went, what was paid and what was expected, at which price; a job without metrics has no picture."""
    page, text = html(make(), ANSWERS), markdown(make(), ANSWERS)
    assert "Loss by step" in page
    assert "line [3.5000, 3.2500]" in text
    for shown in (page, text.replace("\\", "")):
        assert "2.00 USD in 30 min 0 s; 1.00 USD were expected, at 3.67 USD/h" in shown
        assert "Standard_NC24ads_A100_v4" in shown
    decision = make()
    decision.evaluation.job.measured.losses.clear()
    assert "Loss by step" not in html(decision, ANSWERS)
    assert "mermaid" not in markdown(decision, ANSWERS)


def test_the_worst_regression_comes_first_and_general_questions_are_no_chats() -> None:
    """Chats are compared where both models answered a held-out question."""
    assert [(pair.candidate, round(pair.change, 1)) for pair in compare(ANSWERS, "champion")] == [
        ("candidate says <script>", -0.8),
        ("a gain", 0.6),
    ]


def test_texts_of_strangers_are_never_markup() -> None:
    """The page may load and run nothing, and what a model says stays text."""
    page = html(make(), ANSWERS)
    assert "<script>" not in page
    assert "candidate says &lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert "<svg" in page


def test_the_model_card_has_its_chapters() -> None:
    """Data, training, evaluation, limits, license."""
    card = model_card.markdown(make(), license="mit")
    headings = [line.removeprefix("## ") for line in card.splitlines() if line.startswith("## ")]
    assert headings == ["Data", "Training", "Evaluation", "Limits", "License"]
    assert "Foundation model: mit" in card
