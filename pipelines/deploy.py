"""Stage 6 of 7: `python -m pipelines.deploy --environment local --run RUN`."""

from __future__ import annotations

import json
from pathlib import Path

from mlops import stage
from mlops.compute.allow_list import check_size
from mlops.errors import AzureError, InputError
from mlops.records import Answer, Deployment, RegisteredModel
from mlops.reports.progress import progress
from mlops.rollout.probe import Probe
from mlops.stage import Context
from mlops.workspace import endpoints
from mlops.workspace.assets import foundation_model
from mlops.workspace.endpoints import Endpoint

COLORS = ("blue", "green")
SMOKE = Path(__file__).parent.parent / "data" / "smoke.json"


def deploy(context: Context, model: RegisteredModel) -> Deployment:
    """Put the model behind the endpoint's idle color, without traffic, and ask it questions."""
    settings = context.settings.deploy
    _check_instance_type(context)
    endpoint = _endpoint(context)
    _check_champion(context, endpoint, model)
    color = next(name for name in COLORS if name != endpoint.stable)
    if endpoint.traffic.get(color):
        raise InputError(
            f"{color} of {endpoint.name} has {endpoint.traffic[color]} % of the traffic: finish that rollout first"
        )
    if color in endpoint.traffic:
        context.say(f"deleting the old {color}")
        endpoints.delete_deployment(context.workspace, endpoint.name, color)
    with progress(context.console) as show:
        show(f"provisioning {color} on {settings.instance_type}")
        tags = {"run": context.run, "decision_digest": model.decision.digest}
        endpoints.deploy(context.workspace, color, model=model.id, settings=settings, tags=tags)
    context.say(f"{color} of {endpoint.name} serves {model.id}; {endpoint.stable or 'nobody'} has the traffic")
    return Deployment(
        model=model,
        endpoint=endpoint.name,
        name=color,
        stable=endpoint.stable,
        instance_type=settings.instance_type,
        scoring_uri=endpoint.scoring_uri,
        smoke=_smoke(context, endpoint, color),
    )


def probe(context: Context, endpoint: str, scoring_uri: str) -> Probe:
    """Return a client of an endpoint that waits a little longer than the service does, to hear what it says."""
    settings = context.settings.deploy
    key = endpoints.key(context.workspace, endpoint)
    return Probe(scoring_uri, key, timeout_s=settings.request_timeout_s + 5, max_new_tokens=settings.max_new_tokens)


def _check_champion(context: Context, endpoint: Endpoint, model: RegisteredModel) -> None:
    """Refuse a judgement that was made against another model than the one serving now."""
    serving = endpoint.stable and endpoints.deployed_model(context.workspace, endpoint.name, endpoint.stable)
    judged = model.decision.evaluation.champion
    if serving != judged:
        raise InputError(
            f"{endpoint.name} serves {serving or 'nobody'}, the candidate was compared with {judged or 'the base'}: "
            "run the evaluate stage again"
        )


def _check_instance_type(context: Context) -> None:
    reference = context.settings.finetune.model
    base = foundation_model(context.workspace, reference)
    check_size(context.settings.deploy.instance_type, "inference", tags=base.tags, properties=base.properties)


def _endpoint(context: Context) -> Endpoint:
    name = context.settings.deploy.endpoint
    found = endpoints.find(context.workspace, name)
    if found is None:
        context.say(f"creating endpoint {name}")
        endpoints.create(context.workspace, name)
        found = endpoints.find(context.workspace, name)
    if found is None:
        raise AzureError(f"endpoint {name} was created but cannot be found")
    return found


def _smoke(context: Context, endpoint: Endpoint, color: str) -> tuple[Answer, ...]:
    """Return the answers to the smoke questions; the server says 200 even without one, so the text is what counts."""
    client = probe(context, endpoint.name, endpoint.scoring_uri)
    answers = []
    for question in json.loads(SMOKE.read_bytes()):
        sample = client.ask([{"role": "user", "content": question}], deployment=color)
        if not sample.ok or sample.deployment != color:
            raise AzureError(
                f"smoke test: {color} did not answer {question!r}: status {sample.status}, answered by "
                f"{sample.deployment}, text {sample.text[:200]!r}. No traffic was moved."
            )
        answers.append(Answer(question=question, answer=sample.text))
    context.say(f"{len(answers)} smoke questions answered")
    return tuple(answers)


if __name__ == "__main__":
    stage.main(deploy)
