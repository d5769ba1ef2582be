"""Stage 6 of 7: `python -m pipelines.deploy --environment local --run RUN`."""

from __future__ import annotations

from mlops import stage, verification
from mlops.compute.allow_list import check_size
from mlops.compute.serving import check_quota
from mlops.errors import AzureError, InputError
from mlops.operations import conversations, rollouts
from mlops.operations.site import Site
from mlops.records import Answer, Deployment, RegisteredModel, lineage
from mlops.reports.progress import progress
from mlops.rollout import smoke
from mlops.rollout.examples import endless
from mlops.rollout.probe import Probe, opened
from mlops.rollout.warm_up import warm_up
from mlops.stage import Context
from mlops.workspace import deployments, endpoints, quota
from mlops.workspace.assets import foundation_model
from mlops.workspace.endpoints import Endpoint


def deploy(context: Context, model: RegisteredModel) -> Deployment:
    """Put the model behind the endpoint's idle color, without traffic, and ask it questions."""
    settings = context.settings.deploy
    verification.check_model(context.workspace, model)
    _check_instance_type(context)
    rollouts.make_way(Site(context.environment, context.settings, context.console), successor=context.run)
    endpoint = _endpoint(context)
    _check_champion(context, endpoint, model)
    color = _idle_color(context, endpoint)
    offer = quota.offer(context.workspace, settings.instance_type)
    others = len(endpoint.traffic.keys() - {color})
    context.say(check_quota(offer, num_instances=settings.instance_count, num_deployments=others))
    tags = lineage(model) | {
        "run": context.run,
        "decision_digest": model.decision.digest,
        rollouts.DATA: model.decision.evaluation.job.data.id,
    }
    sized = settings.sized_for(context.settings.finetune.model.num_parameters)
    context.say(f"{color} may take {sized.startup_s} s until it serves")
    with progress(context.console) as show:
        deployments.deploy(context.workspace, color, model=model.id, settings=sized, tags=tags, show=show)
    context.say(f"{color} of {endpoint.name} serves {model.id}; {endpoint.stable or 'nobody'} has the traffic")
    return Deployment(
        model=model,
        endpoint=endpoint.name,
        name=color,
        stable=endpoint.stable,
        instance_type=settings.instance_type,
        scoring_uri=endpoint.scoring_uri,
        smoke=_try_out(context, endpoint, color),
    )


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
        endpoints.create(context.workspace, name, tags=context.settings.deploy.tags)
        found = endpoints.find(context.workspace, name)
    if found is None:
        raise AzureError(f"endpoint {name} was created but cannot be found: run the stage again")
    return found


def _idle_color(context: Context, endpoint: Endpoint) -> str:
    """Return the color that nobody uses, after deleting what was left there."""
    color = endpoint.idle_color
    if endpoint.is_used(color):
        raise InputError(f"{color} of {endpoint.name} has traffic: set it to 0 first")
    if color in endpoint.traffic:
        context.say(f"deleting the old {color}")
        timeout_s = context.settings.deploy.deadline_s
        deployments.delete(context.workspace, endpoint.name, color, timeout_s=timeout_s)
    return color


def _try_out(context: Context, endpoint: Endpoint, color: str) -> tuple[Answer, ...]:
    """Return the answers to the smoke test, after a warm-up; a deployment that fails it is deleted again."""
    settings = context.settings.deploy
    client: Probe = rollouts.probe(
        context.workspace, endpoint, timeout_s=settings.request_timeout_s, max_new_tokens=settings.max_new_tokens
    )
    with opened(client):
        try:
            answers = smoke.run(client, deployment=color, say=context.say)
        except InputError as error:
            timeout_s = settings.deadline_s
            told = deployments.logs(context.workspace, endpoint.name, color)
            deployments.delete(context.workspace, endpoint.name, color, timeout_s=timeout_s)
            raise AzureError(
                f"{error}. No traffic was moved, {color} was deleted; mend it and run again\n{told}"
            ) from error
        examples = endless(conversations.of_smoke())
        warmth = warm_up(client, examples, deployment=color, concurrency=context.settings.rollout.concurrency)
    steady = "steady" if warmth.is_steady else "not yet steady"
    context.say(f"warm after {warmth.num_requests} requests: {steady} at {warmth.seconds:.2f} s")
    return answers


if __name__ == "__main__":
    stage.main(deploy)
