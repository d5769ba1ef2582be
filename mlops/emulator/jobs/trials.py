"""Runs a sweep: one trial after the other or side by side, then the best one's outputs are the sweep's."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError
from mlops.emulator.jobs import history, logs, outputs, steps, sweep
from mlops.emulator.jobs.command import Input
from mlops.emulator.tracking import runs

if TYPE_CHECKING:
    from aiohttp import web

    from mlops.emulator.jobs.command import Step
    from mlops.emulator.jobs.sweep import Sweep
    from mlops.emulator.store import Document


async def run(app: web.Application, record: Document, step: Step, tried: Sweep) -> None:
    """Run a sweep to its end, or go on where a killed emulator left it."""
    try:
        history.keep_outputs(app[STORE], record, step.outputs)
        started = history.update(app[STORE], record, status="Running")
        if "tracked" not in started:
            _introduce(app, record, tried)
            await steps.track(app, started)
        await _run_trials(app, started, step, tried)
        await _choose(app, started, step, tried)
    except steps.TimedOutError as error:
        await steps.cancel(app, history.children(app[STORE], record))
        await steps.end(app, record, "Canceled", error=error)
    except (ArmError, OSError) as error:
        await steps.end(app, record, "Failed", error=error)
    else:
        await steps.end(app, record, "Completed")


def _introduce(app: web.Application, record: Document, tried: Sweep) -> None:
    log = logs.create(app[HOME], record, logs.SWEEP)
    logs.note(log, f"The sweep samples {tried.algorithm} points and will {tried.goal} {tried.primary_metric!r}.")
    if tried.algorithm == "bayesian":
        logs.note(log, "Fake: this emulator draws random points for bayesian sampling.")
    if tried.early_termination:
        logs.note(log, f"Fake: the early termination policy {tried.early_termination} ends no trial in this emulator.")


async def _run_trials(app: web.Application, record: Document, step: Step, tried: Sweep) -> None:
    """Run all trials; raise TimedOutError when the sweep's time is over."""
    slots = asyncio.Semaphore(tried.max_concurrent)

    async def one(index: int, parameters: dict[str, Any]) -> None:
        async with slots:
            await _run_trial(app, record, _trial(step, tried, record, index, parameters), parameters)

    limit = tried.timeout and steps.remaining_s(record, tried.timeout)
    points = sweep.sample(tried, default_seed=record["runId"])
    try:
        async with asyncio.timeout(limit or None), asyncio.TaskGroup() as group:
            for index, parameters in enumerate(points):
                group.create_task(one(index, parameters))
    except TimeoutError:
        raise steps.TimedOutError(str(tried.timeout)) from None


def _trial(step: Step, tried: Sweep, record: Document, index: int, parameters: dict[str, Any]) -> Step:
    name = f"{record['runId']}_{index}"
    literals = {key: str(value) for key, value in parameters.items()}
    return replace(
        step,
        node=f"{step.node}_{index}",
        name=name,
        display_name=f"{step.display_name}_{index}",
        sweep=None,
        timeout=tried.trial_timeout,
        inputs=step.inputs | {key: Input("literal", text) for key, text in literals.items()},
        outputs={
            key: replace(output, uri=history.output_uri(name, key), asset_name=None)
            for key, output in step.outputs.items()
        },
        environment_variables=step.environment_variables
        | {f"AZUREML_SWEEP_{key}": text for key, text in literals.items()},
    )


async def _run_trial(app: web.Application, record: Document, trial: Step, parameters: dict[str, Any]) -> None:
    child = history.find(app[STORE], workspace=record["workspace"], name=trial.name)
    if child is None:
        log = logs.create(app[HOME], record, logs.SWEEP)
        logs.note(log, f"Scheduling trial {trial.name}: {json.dumps(parameters)}")
        child = history.create(
            app[STORE],
            workspace=record["workspace"],
            name=trial.name,
            parent=record,
            displayName=trial.display_name,
            experimentName=record["experimentName"],
            compute=trial.compute,
            tags={"hyperparameters": json.dumps(parameters)},
            properties={},
        )
    if child["status"] not in history.TERMINAL:
        await steps.run(app, child, trial)
        status = history.reload(app[STORE], child)["status"]
        logs.note(logs.create(app[HOME], record, logs.SWEEP), f"Trial {trial.name}: {status}.")


async def _choose(app: web.Application, record: Document, step: Step, tried: Sweep) -> None:
    """Note which trial is best, and give the sweep its outputs; raise ArmError when there is none to choose."""
    trials = {child["runId"]: child for child in history.children(app[STORE], record)}
    completed = [name for name, child in trials.items() if child["status"] == "Completed"]
    if not completed:
        raise ArmError(400, "UserError", "No trial of the sweep has completed. Please check the logs of the trials.")
    scores = {name: await runs.metric_history(app, name, tried.primary_metric) for name in completed}
    chosen = sweep.best(tried, scores)
    if chosen is None:
        text = f"No trial of the sweep has logged the primary metric {tried.primary_metric!r} to MLflow."
        raise ArmError(400, "UserError", text)
    name, score = chosen
    logs.note(logs.create(app[HOME], record, logs.SWEEP), f"Best trial: {name}, {tried.primary_metric} = {score}.")
    found = {"best_child_run_id": name, "score": str(score), "best_metric_status": "Succeeded"}
    metric = json.dumps({"name": tried.primary_metric, "goal": tried.goal})
    properties = history.reload(app[STORE], record)["properties"] | found | {"primary_metric_config": metric}
    history.update(app[STORE], record, properties=properties)
    await outputs.take_over(app, record, step, trials[name])
