"""Stage 7 of 7: `python -m pipelines.rollout --environment local --run RUN`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle

import orjson

from mlops import stage
from mlops.errors import AzureError, MlopsError, RecordError
from mlops.records import Answer, Deployment, Rollout, RolloutStep
from mlops.reports import tables
from mlops.reports.progress import progress
from mlops.rollout import machine
from mlops.rollout.analysis import analyze, enough, in_effect
from mlops.rollout.machine import Phase, State
from mlops.rollout.probe import Message, Probe, Sample
from mlops.stage import Context
from mlops.workspace import endpoints
from mlops.workspace.endpoints import CANDIDATE, PHASE, RUN
from pipelines.deploy import probe


def rollout(context: Context, deployment: Deployment) -> Rollout:
    """Shift traffic to the new deployment step by step, and back at once if it does worse."""
    state = _start(context, deployment)
    client = probe(context, deployment.endpoint, deployment.scoring_uri)
    conversations = _conversations(context)
    try:
        with progress(context.console) as show:
            while not state.done:
                state = _move(context, deployment, state, client, conversations, show)
    except (MlopsError, KeyboardInterrupt):
        _write(context, deployment.endpoint, replace(state, phase=Phase.ROLLING_BACK))
        raise
    return _record(context, deployment, state, client, conversations)


def _start(context: Context, deployment: Deployment) -> State:
    """Return the rollout's first state: back always means the stable deployment that `deploy` found.

    Raises RecordError if the deployment is not the one that was judged, or somebody else serves users.
    """
    endpoint = endpoints.find(context.workspace, deployment.endpoint)
    name, stable = deployment.name, deployment.stable
    if endpoint is None or name not in endpoint.traffic:
        raise RecordError(f"{name} of {deployment.endpoint} is gone: run the deploy stage again")
    serves = endpoints.deployed_model(context.workspace, endpoint.name, name)
    strangers = [other for other, weight in endpoint.traffic.items() if weight and other not in (name, stable)]
    if serves != deployment.model.id or strangers:
        raise RecordError(
            f"{endpoint.name} is not as the deploy stage left it: {name} serves {serves}, "
            f"traffic is {_weights(dict(endpoint.traffic))}. Run the evaluate stage again"
        )
    done = endpoint.traffic[name] == 100  # noqa: PLR2004 - percent
    return machine.start(context.settings.rollout, candidate=name, stable=stable, done=done)


def _move(
    context: Context,
    deployment: Deployment,
    state: State,
    client: Probe,
    conversations: Iterator[list[Message]],
    show: Callable[[str], None],
) -> State:
    """Do what the phase asks for and return the state after it."""
    if state.phase is Phase.JUDGING:
        step = _judge(state, client, conversations, show)
        context.say(f"{step.weight} %: {step.verdict}, {step.reason}")
        return machine.judged(state, step)
    tags = {
        "rollout-run": context.run,
        "rollout-phase": str(state.phase),
        "rollout-candidate": state.candidate,
    }
    endpoints.set_traffic(context.workspace, deployment.endpoint, state.traffic, tags=tags)
    context.say(f"traffic {_weights(state.traffic)}")
    if state.traffic:
        _wait_for_effect(context, state, client, conversations)
    return machine.shifted(state)


def _write(context: Context, endpoint: str, state: State) -> None:
    """Write the traffic of a state, and in the same request the tags by which a later runner finds it."""
    tags = {RUN: context.run, PHASE: str(state.phase), CANDIDATE: state.candidate}
    endpoints.set_traffic(context.workspace, endpoint, state.traffic, tags=tags)
    context.say(f"traffic {_weights(state.traffic)}")


def _wait_for_effect(context: Context, state: State, client: Probe, conversations: Iterator[list[Message]]) -> None:
    """Ask without a pin until the answers show the written weights: "succeeded" is not yet "in effect".

    Raises AzureError if they do not within the step's deadline.
    """
    deadline = time.monotonic() + context.settings.rollout.step_deadline_s
    samples: list[Sample] = []
    while not in_effect(samples, candidate=state.candidate, weight=state.traffic.get(state.candidate, 0)):
        if time.monotonic() > deadline:
            raise AzureError(f"the endpoint does not show the traffic {_weights(state.traffic)} it accepted")
        samples.append(client.ask(next(conversations)))


def _judge(
    state: State,
    client: Probe,
    conversations: Iterator[list[Message]],
    show: Callable[[str], None],
) -> RolloutStep:
    """Ask both deployments the same questions in the same window, and the endpoint itself, until there is enough."""
    plan, samples = state.plan, list[Sample]()
    deadline = time.monotonic() + plan.step_deadline_s
    pins = [None, *(name for name in {**state.start, state.candidate: 0})]
    while not enough(samples, state.candidate, plan) and time.monotonic() < deadline:
        messages = next(conversations)
        samples += [client.ask(messages, deployment=pin) for pin in pins]
        show(f"{state.weight} %: {len(samples)} requests")
    return analyze(samples, candidate=state.candidate, weight=state.weight, plan=plan)


def _conversations(context: Context) -> Iterator[list[Message]]:
    """Yield held-out conversations for ever, each up to the user's first question."""
    path = context.folder / "data" / "test.jsonl"
    if not path.is_file():
        raise RecordError(f"{path} does not exist: run the prepare stage of run {context.run} first")
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return cycle([[{"role": "user", "content": row["prompt"]}] for row in rows])


def _record(
    context: Context,
    deployment: Deployment,
    state: State,
    client: Probe,
    conversations: Iterator[list[Message]],
) -> Rollout:
    """Return the record, with an answer as a user would get it; nobody answers where there is no traffic."""
    question = next(conversations)
    sample = replace(client, temperature=0.6).ask(question) if state.traffic else None
    answer = Answer(question=question[-1]["content"], answer=sample.text) if sample and sample.ok else None
    record = Rollout(deployment=deployment, phase=state.phase, steps=state.steps, traffic=state.traffic, answer=answer)
    tables.show(context.console, tables.steps(record))
    return record


def _weights(traffic: dict[str, int]) -> str:
    return ", ".join(f"{name} {weight} %" for name, weight in traffic.items()) or "none"


if __name__ == "__main__":
    stage.main(rollout)
