"""Stage 5 of 7: `python -m pipelines.register --environment local --run RUN`."""

from __future__ import annotations

from mlops import stage, verification
from mlops.errors import Refusal
from mlops.gates.integrity import flaws_of_age
from mlops.provenance import here_and_now
from mlops.records import GateDecision, RegisteredModel
from mlops.reports import model_card
from mlops.stage import Context
from mlops.workspace.assets import JOB, foundation_model, register_model


def register(context: Context, decision: GateDecision) -> RegisteredModel:
    """Register the accepted model with its lineage."""
    if decision.refusal:  # gate has said so already; this holds whatever order the stages were started in
        raise Refusal(f"register: {decision.refusal}")
    if flaw := next(flaws_of_age(decision.evaluation, context.settings.gate, now=here_and_now().at), None):
        raise Refusal(f"register: {flaw.code}: {flaw.detail}. Start a new run: its evaluation will be a fresh one.")
    verification.check_decision(context.workspace, decision, context.folder, context.settings.gate)
    job = decision.evaluation.job
    name = context.settings.register_.name
    base = foundation_model(context.workspace, context.settings.finetune.model)
    model_id = register_model(
        context.workspace,
        job.trained_model,
        name=name,
        description=model_card.markdown(decision, license=base.tags.get("license")),
        tags=_tags(context, decision),
        content=verification.MODEL_SHA256,
    )
    verification.mark_decision(context.workspace, decision)
    context.say(model_id)
    return RegisteredModel(decision=decision, id=model_id, name=name, version=model_id.rpartition(":")[2])


def _tags(context: Context, decision: GateDecision) -> dict[str, str]:
    """Return the lineage that a model carries; its stage is moved by the rollout alone."""
    evaluation, job = decision.evaluation, decision.evaluation.job
    return {
        "run": context.run,
        "git_commit": decision.decided.commit,
        "foundation_model": job.foundation_model,
        "data": job.data.id,
        "content_hash": job.data.content_hash,
        JOB: job.name,
        "evaluation_job": evaluation.name,
        "verdict": str(decision.verdict),
        "override": decision.override or "",
        "decided_by": decision.decided.by,
        verification.DECISION_DIGEST: decision.digest,
        verification.MODEL_SHA256: evaluation.models["candidate"].sha256,
        "loss": f"{evaluation.metrics['candidate']['loss']:.4f}",
    }


if __name__ == "__main__":
    stage.main(register)
