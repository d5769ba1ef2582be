"""Stage 5 of 7: `python -m pipelines.register --environment local --run RUN`."""

from __future__ import annotations

import os
import subprocess

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
        description=_card(decision),
        tags={
            "run": context.run,
            "git_commit": _commit(),
            "foundation_model": job.foundation_model,
            "data": job.data.id,
            "content_hash": job.data.content_hash,
            "finetuning_job": job.name,
            "evaluation_job": decision.evaluation.name,
            "decision_digest": decision.digest,
            "loss": f"{decision.evaluation.metrics['candidate']['loss']:.4f}",
        },
    )
    context.say(model_id)
    return RegisteredModel(decision=decision, id=model_id, name=name, version=version)


def _commit() -> str:
    """Return the commit that trained the model: GitHub's word for it, else the checkout's."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return os.environ.get("GITHUB_SHA") or git.stdout.strip() or "unknown"


def _card(decision: GateDecision) -> str:
    """Return the model card: what the model is made of and how it was judged."""
    job, evaluation = decision.evaluation.job, decision.evaluation
    rules = "\n".join(f"- {result.verdict}: {result.reason}" for result in decision.results)
    return (
        f"{job.foundation_model} fine-tuned on {job.data.train.rows:,} conversations of {job.data.id} "
        f"(job {job.name}).\n\nJudged on {evaluation.num_examples:,} held-out conversations, compared with "
        f"{evaluation.champion or 'the base model'}:\n\n{rules}\n"
    )


if __name__ == "__main__":
    stage.main(register)
