"""Stage 4 of 7: `python -m pipelines.gate --environment local --run RUN`."""

from __future__ import annotations

from mlops import stage, verification
from mlops.datasets.examples import read_answers, read_scores
from mlops.gates.engine import Judgement, decide
from mlops.gates.verification import rules
from mlops.provenance import here_and_now
from mlops.records import Evaluation, GateDecision, Provenance, Verdict
from mlops.reports import decision as report
from mlops.reports import tables
from mlops.stage import Context


def gate(context: Context, evaluation: Evaluation) -> GateDecision:
    """Decide from the evaluation whether the candidate may go to production."""
    path, now = context.folder / "examples.parquet", here_and_now()
    scores = read_scores(path, sha256=evaluation.examples_sha256)
    judgement = decide(evaluation, scores, context.settings.gate, now=now.at)
    decision = _decision(context, evaluation, judgement, now)
    if decision.override:
        verification.mark_override(context.workspace, decision)
    if judgement.reference == "base":
        context.say("no champion serves yet: the base model takes its place")
    for flaw in judgement.flaws:
        context.say(f"{flaw.code}: {flaw.detail}")
    answers = read_answers(path, sha256=evaluation.examples_sha256)
    if decision.results:
        context.say("means of the examples, of which each counts alike: a loss is another one than that of all tokens")
    context.console.print(tables.decision(decision).rich())
    tables.note(report.markdown(decision, answers))
    context.say(f"report {report.write(decision, answers, context.folder)}")
    return decision


def _decision(context: Context, evaluation: Evaluation, judgement: Judgement, now: Provenance) -> GateDecision:
    """Return the record; an override is kept only where there is doubt for it to settle."""
    settings = context.settings.gate
    if settings.override and judgement.verdict is not Verdict.INCONCLUSIVE:
        context.say(f"gate.override is left aside: it settles doubt, and the verdict is {judgement.verdict}")
    return GateDecision(
        evaluation=evaluation,
        verdict=judgement.verdict,
        reference=judgement.reference,
        results=judgement.results,
        flaws=judgement.flaws,
        rules=rules(settings),
        override=settings.override if judgement.verdict is Verdict.INCONCLUSIVE else None,
        decided=now,
    )


if __name__ == "__main__":
    stage.main(gate)
