"""All seven stages in order: `python -m pipelines.release --environment local --run RUN`."""

from __future__ import annotations

import os

from rich.text import Text

from mlops import releases, stage
from mlops.operations import endpoint as operations
from mlops.records import Rollout
from mlops.reports import tables
from mlops.stage import Context, perform
from mlops.workspace import endpoints
from pipelines.deploy import deploy
from pipelines.evaluate import evaluate
from pipelines.finetune import SWITCHES, finetune
from pipelines.gate import gate
from pipelines.prepare import prepare
from pipelines.register import register
from pipelines.rollout import rollout


def release(context: Context) -> Rollout:
    """Take conversations to production: the seven stages, each given what the one before returned."""
    releases.begin(context.folder, context.environment, os.environ)
    data = perform(prepare, context)
    job = perform(finetune, context, data)
    evaluation = perform(evaluate, context, job)
    decision = perform(gate, context, evaluation)
    model = perform(register, context, decision)
    deployment = perform(deploy, context, model)
    return perform(rollout, context, deployment)


def _show(context: Context, record: Rollout) -> None:
    """Print what a person wants to see last: the judgement, the traffic, and the model talking."""
    deployment = record.deployment
    tables.show(context.console, tables.decision(deployment.model.decision))
    endpoint = endpoints.find(context.workspace, deployment.endpoint)
    if endpoint is not None:
        tables.show(context.console, operations.table(context.workspace, endpoint))
    if record.answer is not None:
        context.console.print(Text("user     ", "bold"), Text(record.answer.question))
        context.console.print(Text("assistant", "bold"), Text(record.answer.answer))


if __name__ == "__main__":
    stage.run(
        lambda context: _show(context, release(context)),
        description=release.__doc__,
        switches=SWITCHES,
        resumable=True,
    )
