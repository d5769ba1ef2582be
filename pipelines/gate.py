"""Stage 4 of 7: `python -m pipelines.gate --environment local --run RUN`."""

from __future__ import annotations

from mlops import stage
from mlops.datasets.examples import read_scores
from mlops.errors import RecordError
from mlops.gates.engine import judge
from mlops.records import Evaluation, GateDecision
from mlops.reports import tables
from mlops.stage import Context


def gate(context: Context, evaluation: Evaluation) -> GateDecision:
    """Decide from the evaluation whether the candidate may go to production."""
    if evaluation.test_data_sha256 != evaluation.job.data.test.sha256:
        raise RecordError("the evaluation was not made on this run's test split. Run the evaluate stage again.")
    scores = read_scores(context.folder / "examples.parquet", sha256=evaluation.examples_sha256)
    judgement = judge(scores, context.settings.gate)
    decision = GateDecision(
        evaluation=evaluation,
        verdict=judgement.verdict,
        reference=judgement.reference,
        results=judgement.results,
    )
    if judgement.reference == "base":
        context.say("no champion serves yet: the base model takes its place")
    tables.show(context.console, tables.decision(decision))
    return decision


if __name__ == "__main__":
    stage.main(gate)
