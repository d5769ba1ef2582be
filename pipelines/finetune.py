"""Stage 2 of 7: `python -m pipelines.finetune --environment local --run RUN`."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from mlops import github, stage
from mlops.errors import Detached, RecordError, Refusal
from mlops.finetuning.names import display_name
from mlops.finetuning.progress import Progress, pace, progress
from mlops.layers import said
from mlops.planning import Recipe, recipe
from mlops.records import DataAsset, FineTuningJob, Measured
from mlops.reports import plots, tables, training
from mlops.stage import Context
from mlops.times import duration
from mlops.workspace import jobs, pending, runs, submissions
from mlops.workspace.cluster import ensure_cluster
from mlops.workspace.history import Point
from mlops.workspace.runs import Snapshot
from mlops.workspace.submissions import ALIGNMENT, AlignmentRequest, FinetuningRequest

DPO: Final = "dpo_"
"""What the names of an alignment's metrics begin with."""
SWITCHES: Final = ("finetune.detach", "finetune.force")
"""Settings that the command line has switches for."""
MOST_POINTS: Final = 200
"""Of a curve that is kept in the record."""


def finetune(context: Context, data: DataAsset) -> FineTuningJob:
    """Fine-tune the foundation model on the GPU cluster with the registry's chat-completion pipeline."""
    made = recipe(context.workspace, context.settings, data, today=datetime.now(UTC).date())
    _show(context, made)
    if made.refusal:
        raise Refusal(f"finetune: {made.refusal}")
    request = _request(context, data, made)
    ensure_cluster(context.workspace, context.settings.finetune.cluster, section="finetune.cluster")
    submission = submissions.submit_finetuning(
        context.workspace, made.component, made.model, request, force=context.settings.finetune.force
    )
    name = submission.name
    context.say(f"{submission}: {request.display_name}\n      {jobs.studio_url(context.workspace, name)}")
    if not submission.new and _is_waited_for(context):  # a new one was submitted with its tag
        pending.mark(context.workspace, name, _inputs(context))
    if context.settings.finetune.detach:
        if submission.completed:
            raise Detached(
                f"finetune: job {name} is completed; run the stage again without --detach: it takes the model"
            )
        raise Detached(f"finetune: job {name} goes on by itself; run the stage again, anywhere, to attach to it")
    made = _as_planned(context, made, name)
    measured = _measure(context, made, name, *_follow(context, made, name))
    pending.settle(context.workspace, name)
    return FineTuningJob(
        data=data,
        name=name,
        display_name=request.display_name,
        experiment=request.experiment,
        foundation_model=made.model.id,
        foundation_type=made.model.type,
        component=made.component.id,
        compute=request.cluster.name,
        num_gpus=made.plan.num_gpus,
        parameters=made.parameters.values,
        plan=made.plan,
        alignment=made.alignment.record if made.alignment else None,
        measured=measured,
        trained_model=f"azureml://jobs/{name}/outputs/trained_model",
        studio_url=jobs.studio_url(context.workspace, name),
    )


def _show(context: Context, made: Recipe) -> None:
    """Print the plan and the parameters, and keep the plan in the run's folder."""
    for table in tables.recipe(made.plan, *made.steps, max_usd=made.max_usd):
        tables.show(context.console, table)
    training.keep_plan(context.folder, made.plan)


def _as_planned(context: Context, made: Recipe, name: str) -> Recipe:
    """Return the recipe with the plan that this run's record of the job holds: estimates made since were not its."""
    try:
        before = stage.load(context.folder, "finetune")
    except RecordError:
        return made
    if isinstance(before, FineTuningJob) and before.name == name:
        made = replace(made, plan=before.plan)
        if made.alignment and before.alignment:
            made = replace(made, alignment=replace(made.alignment, plan=before.alignment.plan))
    return made


def _request(context: Context, data: DataAsset, made: Recipe) -> FinetuningRequest:
    """Return the request; its name is the idempotency key, so the same inputs are the same job, whoever asks."""
    parameters, second = made.parameters.values, made.alignment
    tags = {"idempotency_key": made.key, "content_hash": data.content_hash, "run": context.run}
    if _is_waited_for(context):
        tags |= pending.tag(_inputs(context))
    return FinetuningRequest(
        name=f"finetune-{made.key}",
        display_name=display_name(
            made.model.name, data.name, parameters, batch=made.plan.effective_batch, is_aligned=second is not None
        ),
        experiment=f"chat_completion_{made.model.name}",
        cluster=context.settings.finetune.cluster,
        num_gpus=made.plan.num_gpus,
        train_uri=data.train.uri,
        validation_uri=data.validation.uri,
        test_uri=data.test.uri,
        parameters=parameters,
        alignment=AlignmentRequest(second.component, second.preferences.uri, second.parameters.values)
        if second
        else None,
        tags=tags,
    )


def _is_waited_for(context: Context) -> bool:
    """Return whether a release is to go on with the job, whatever becomes of this runner."""
    return context.settings.finetune.detach or github.release_inputs() is not None


def _inputs(context: Context) -> dict[str, str]:
    """Return what brings a release to the same job again: the inputs of its workflow, else the settings' and variables.

    What no input says has its setting's path for a name.
    """
    inputs, settings = github.release_inputs(), context.settings
    if inputs is None:
        inputs = {"preset": settings.finetune.preset, "source": settings.data.source}
        inputs |= {"percentage": str(settings.data.percentage)} if settings.data.percentage else {}
        inputs |= {"override": settings.gate.override} if settings.gate.override else {}
        inputs |= {path: value for path, value in said(os.environ).items() if path not in github.INPUTS.values()}
    return {"environment": context.environment, "run": context.run} | inputs


def _follow(context: Context, made: Recipe, name: str) -> tuple[Snapshot, dict[str, list[Point]]]:
    """Show the job's progress until it has ended well; return its end and its metrics.

    Raises Refusal if it was canceled or got no node in time, AzureError if it failed.
    """
    try:
        snapshot, history = _watch(context, made, name)
    except KeyboardInterrupt:
        if training.asks_to_cancel(context.console, name, made.plan.usd_per_hour):
            jobs.cancel(context.workspace, name)
            raise Refusal(f"finetune: job {name} is canceled") from None
        context.say(f"job {name} goes on by itself; run the stage again to attach to it")
        raise
    if snapshot.status != "Completed":
        pending.settle(context.workspace, name)  # it is said here that it ended badly, and need not be said again
    jobs.check(snapshot, name, log=context.folder / "finetune.log")
    return snapshot, history


def _watch(context: Context, made: Recipe, name: str) -> tuple[Snapshot, dict[str, list[Point]]]:
    deadline_s, history = context.settings.finetune.queue_deadline_s, dict[str, list[Point]]()
    with (
        training.display(context.console) as show,
        (context.folder / "finetune.log").open("w", encoding="utf-8") as log,
    ):
        for snapshot in runs.watch(context.workspace, name):
            log.writelines(f"{line}\n" for line in snapshot.lines)
            log.flush()
            if snapshot.is_waiting and snapshot.seconds > deadline_s:
                raise Refusal(_stuck(context, made, name))
            history = runs.curves(context.workspace, name, snapshot) or history
            show(_progress(made, snapshot, history), snapshot.status)
    return snapshot, history


def _progress(made: Recipe, snapshot: Snapshot, history: dict[str, list[Point]]) -> Progress | None:
    step, usd = snapshot.steps[-1], snapshot.hours * made.plan.usd_per_hour  # the steps before it have ended
    plan, parameters = made.plan, made.parameters.values
    if made.alignment and step.display_name == ALIGNMENT:
        plan, parameters = made.alignment.plan, made.alignment.parameters.values
        history = {key.removeprefix(DPO): points for key, points in history.items() if key.startswith(DPO)}
    return progress(history, plan, parameters, training_s=3600 * runs.hours(step), usd=usd)


def _stuck(context: Context, made: Recipe, name: str) -> str:
    settings, facts = context.settings.finetune, dict(made.plan.facts)
    return (
        f"finetune: job {name} has had no node of {settings.cluster.name} for {settings.queue_deadline_s} s "
        f"(finetune.queue_deadline_s); quota: {facts['quota']}. It is still in the queue: run the stage again to go "
        f"on waiting, or end it with `az ml job cancel --name {name}`"
    )


def _measure(context: Context, made: Recipe, name: str, end: Snapshot, history: dict[str, list[Point]]) -> Measured:
    """Say what the job took beside its plan, keep its cost, loss curve and timing; return it."""
    plan, hours = made.plan, end.hours
    usd, rate = hours * plan.usd_per_hour, pace(history, plan, made.parameters.values)
    planned = f"{duration(3600 * plan.hours)} and {plan.usd:.2f} USD"
    context.say(f"took {duration(3600 * hours)} and {usd:.2f} USD; planned were {planned}")
    jobs.keep_cost(context.workspace, name, usd)
    if rate:
        _keep_timing(context, made, name, end, tokens_per_s=rate, training_s=history["train_runtime"][-1].value)
    losses = {key: kept for key in plots.LOSSES if (kept := _thinned(history.get(key, [])))}
    if "loss" in losses:
        context.say(f"loss curves {training.keep_curves(context.folder, losses)}")
    return Measured(hours=hours, usd=usd, tokens_per_s=rate, losses=losses)


def _keep_timing(
    context: Context, made: Recipe, name: str, end: Snapshot, *, tokens_per_s: float, training_s: float
) -> None:
    """Keep how fast each GPU learned, and what fine-tuning took beside that."""
    per_gpu = tokens_per_s / (made.plan.num_gpus * made.plan.num_nodes)
    first_h = sum(runs.hours(step) for step in end.steps if step.display_name != ALIGNMENT)
    preparation_h = max(first_h - training_s / 3600, 0.0)
    jobs.keep_timing(context.workspace, name, made.workload, tokens_per_s=per_gpu, preparation_h=preparation_h)


def _thinned(points: list[Point]) -> tuple[tuple[int, float], ...]:
    """Return so many finite points of a curve as a picture shows; the last is always one of them."""
    finite = [(point.step, point.value) for point in points if math.isfinite(point.value)]
    every = max(1, -(-len(finite) // MOST_POINTS))
    return tuple(finite[::-1][::every][::-1])


if __name__ == "__main__":
    stage.main(finetune, switches=SWITCHES)
