"""Hold records against the workspace: digests are recomputed and compared with the tags on job and model.

A file can be edited and sealed anew; the tags were written when the job ended and the model was registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.datasets.examples import read_scores
from mlops.errors import RecordError
from mlops.gates.verification import disagreements, mismatches, other_rules, signature
from mlops.workspace import assets, jobs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops.gates.rules import GateSettings
    from mlops.records import Evaluation, GateDecision, RegisteredModel
    from mlops.workspace.client import Workspace

EVALUATION_DIGEST: Final = "evaluation_digest"
DECISION_DIGEST: Final = "decision_digest"
MODEL_SHA256: Final = "model_sha256"


def mark_evaluation(workspace: Workspace, evaluation: Evaluation) -> None:
    """Write an evaluation's digest on its job."""
    jobs.set_tags(workspace, evaluation.name, {EVALUATION_DIGEST: evaluation.digest})


def mark_override(workspace: Workspace, decision: GateDecision) -> None:
    """Write who overrode the gate, and why, on the evaluation's job: whoever seals a file anew cannot add that."""
    jobs.set_tags(workspace, decision.evaluation.name, signature(decision))


def mark_decision(workspace: Workspace, decision: GateDecision) -> None:
    """Write an accepted decision's digest on the evaluation's job."""
    jobs.set_tags(workspace, decision.evaluation.name, {DECISION_DIGEST: decision.digest})


def check_decision(workspace: Workspace, decision: GateDecision, folder: Path, settings: GateSettings) -> None:
    """Judge again from the run's examples, and compare with what was written on the job, and with the settings' rules.

    Raises RecordError if anything differs, saying what.
    """
    evaluation = decision.evaluation
    scores = read_scores(folder / "examples.parquet", sha256=evaluation.examples_sha256)
    expected, where = {EVALUATION_DIGEST: evaluation.digest} | signature(decision), f"job {evaluation.name}"
    found = list(mismatches(expected, jobs.tags(workspace, evaluation.name), where=where))
    _refuse([*found, *disagreements(decision, scores)], "evaluate")
    if others := "; ".join(other_rules(decision, settings)):
        raise RecordError(
            f"the decision cannot be trusted: it was made by other rules than those of the settings: {others}. Set "
            "them as they were, or judge anew with the gate stage."
        )


def check_model(workspace: Workspace, model: RegisteredModel) -> None:
    """Compare a registered model, and the job that judged it for its run, with the record.

    The model itself tells of the last decision about it, which may be another run's.
    Raises RecordError if it is another model, or was registered for another decision.
    """
    content = {MODEL_SHA256: model.decision.evaluation.models["candidate"].sha256}
    decision, evaluation = {DECISION_DIGEST: model.decision.digest}, model.decision.evaluation.name
    found = [
        *mismatches(content, assets.model_tags(workspace, model.id), where=f"model {model.id}"),
        *mismatches(decision, jobs.tags(workspace, evaluation), where=f"job {evaluation}"),
    ]
    _refuse(found, "register")


def _refuse(found: Iterable[str], stage: str) -> None:
    if reasons := "; ".join(found):
        raise RecordError(f"the decision cannot be trusted: {reasons}. Run the {stage} stage again.")
