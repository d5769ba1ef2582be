"""Stage 5 of 7: `python -m pipelines.register --environment local --run RUN`."""

from __future__ import annotations

from mlops import stage
from mlops.errors import Refusal
from mlops.records import GateDecision, RegisteredModel
from mlops.stage import Context
from mlops.workspace.assets import register_model


def register(context: Context, decision: GateDecision) -> RegisteredModel:
    """Register the accepted model with its lineage."""
    if decision.refusal:  # gate has said so already; this holds whatever order the stages were started in
        raise Refusal(f"register: {decision.refusal}")
    job = decision.evaluation.job
    name = context.settings.register_.name
    version = job.name.removeprefix("finetune-")  # the same job is the same model, so a re-run finds its own version
    model_id = register_model(
        context.workspace,
        job.trained_model,
        name=name,
        version=version,
        description=f"{job.foundation_model.split('/')[-3]} fine-tuned on {job.data.id}",
        tags={
            "run": context.run,
            "foundation_model": job.foundation_model,
            "data": job.data.id,
            "content_hash": job.data.content_hash,
            "finetuning_job": job.name,
            "evaluation_job": decision.evaluation.name,
            "decision_digest": decision.digest,
        },
    )
    context.say(model_id)
    return RegisteredModel(decision=decision, id=model_id, name=name, version=version)


if __name__ == "__main__":
    stage.main(register)
