"""Stage 7 of 7: `python -m pipelines.rollout --environment local --run RUN`."""

from __future__ import annotations

import time
from dataclasses import replace

from mlops import stage
from mlops.datasets.examples import file_sha256
from mlops.errors import RecordError
from mlops.operations import conversations, rollouts
from mlops.operations.rollouts import Crew
from mlops.operations.site import Site
from mlops.records import Answer, Deployment, Rollout, Split
from mlops.reports import rollout_report
from mlops.rollout import preflight
from mlops.rollout.examples import Example
from mlops.rollout.state import State
from mlops.stage import Context
from mlops.workspace import endpoints


def rollout(context: Context, deployment: Deployment) -> Rollout:
    """Shift traffic to the new deployment step by step, and back at once if it does worse."""
    site = Site(context.environment, context.settings, context.console)
    _check_model(context, deployment)
    examples = _examples(context, deployment.model.decision.evaluation.job.data.test)
    with rollouts.crew(site, candidate=deployment.name, examples=examples, id=context.run) as crew:
        first = preflight.begin(
            crew.endpoint, context.settings.rollout, id=context.run, candidate=deployment.name, at=time.time()
        )
        state = rollouts.run(crew, first)
        record = _record(deployment, state, crew, examples[0])
    rollout_report.show(context.console, record, context.folder)
    return record


def _check_model(context: Context, deployment: Deployment) -> None:
    """Raise RecordError if the deployment is not the one that was judged."""
    found = endpoints.find(context.workspace, deployment.endpoint)
    if found is None or deployment.name not in found.traffic:
        raise RecordError(f"{deployment.name} of {deployment.endpoint} is gone: run the deploy stage again")
    serves = endpoints.deployed_model(context.workspace, deployment.endpoint, deployment.name)
    if serves != deployment.model.id or found.stable not in (deployment.stable, deployment.name):
        raise RecordError(
            f"{deployment.endpoint} is not as the deploy stage left it: {deployment.name} serves {serves}, "
            f"{found.stable} serves the users. Run the evaluate stage again"
        )


def _examples(context: Context, split: Split) -> list[Example]:
    path = context.folder / "data" / "test.jsonl"
    if not path.is_file() or file_sha256(path) != split.sha256:
        raise RecordError(f"{path} is missing or is not what prepare wrote: run the prepare stage of this run again")
    return conversations.of_file(path)


def _record(deployment: Deployment, state: State, crew: Crew, example: Example) -> Rollout:
    """Return the record, with an answer as a user would get it; nobody answers where there is no traffic."""
    traffic = crew.plane.read().live
    livelier = replace(crew.runner.asker.probe, temperature=0.6)
    sample = livelier.ask(example.messages) if traffic else None
    answer = Answer(question=example.messages[-1]["content"], answer=sample.text) if sample and sample.ok else None
    return Rollout(
        deployment=deployment,
        phase=state.phase,
        reason=state.reason,
        steps=state.steps,
        traffic=traffic,
        timeline=tuple(crew.told.timeline),
        answer=answer,
    )


if __name__ == "__main__":
    stage.main(rollout)
