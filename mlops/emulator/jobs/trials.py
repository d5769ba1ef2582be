"""Runs a sweep: one trial after the other or side by side, then the best one's outputs are the sweep's."""

from __future__ import annotations

import asyncio
import itertools
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

# How often running trials are judged.
_JUDGE_S = 0.5


async def run(app: web.Application, record: Document, step: Step, tried: Sweep) -> None:
    """Run a sweep to its end, or go on where a killed emulator left it."""
    try:
        history.keep_outputs(app[STORE], record, step.outputs)
        started = history.update(app[STORE], record, status="Running")
        if "tracked" not in started:
            _introduce(app, record, tried)
            await steps.track(app, started)
        await _Trials(app, started, step, tried).run()
        await _choose(app, started, step, tried)
    except steps.TimedOutError as error:
        await steps.cancel(app, history.children(app[STORE], record))
        await steps.end(app, record, "Canceled", error=error)
    except (ArmError, OSError) as error:
        await steps.end(app, record, "Failed", error=error)
    else:
        await steps.end(app, record, "Completed")


def _introduce(app: web.Application, record: Document, tried: Sweep) -> None:
    _note(app, record, f"The sweep samples {tried.algorithm} points and will {tried.goal} {tried.primary_metric!r}.")
    if tried.policy:
        _note(app, record, f"Trials are stopped by the {tried.policy.kind} policy.")


def _note(app: web.Application, record: Document, text: str) -> None:
    logs.note(logs.create(app[HOME], record, logs.SWEEP), text)


class _Trials:
    """The trials of one running sweep."""

    def __init__(self, app: web.Application, record: Document, step: Step, tried: Sweep) -> None:
        self._app, self._record, self._step, self._tried = app, record, step, tried
        self._points: dict[str, dict[str, Any]] = {}
        self._judged: dict[str, int] = {}

    async def run(self) -> None:
        """Run all trials; raise TimedOutError when the sweep's time is over."""
        limit = self._tried.timeout and steps.remaining_s(self._record, self._tried.timeout)
        try:
            async with asyncio.timeout(limit or None), asyncio.TaskGroup() as group:
                await self._start_all(group)
        except TimeoutError:
            raise steps.TimedOutError(str(self._tried.timeout)) from None

    async def _start_all(self, group: asyncio.TaskGroup) -> None:
        slots = asyncio.Semaphore(self._tried.max_concurrent)
        points = sweep.sample(self._tried, default_seed=self._record["runId"], results=self._results)
        for index in itertools.count():
            await slots.acquire()
            point = await asyncio.to_thread(next, points, None)
            if point is None:
                return
            group.create_task(self._run(index, point)).add_done_callback(lambda _: slots.release())

    async def _run(self, index: int, point: dict[str, Any]) -> None:
        child = self._find_or_create(f"{self._record['runId']}_{index}", index, point)
        # After a restart, what was drawn before: bayesian sampling may draw something else now.
        self._points[child["runId"]] = point = json.loads(child["tags"]["hyperparameters"])
        if child["status"] in history.TERMINAL:
            return
        await self._follow(child, _trial(self._step, self._tried, child["runId"], index, point))
        await steps.cancel(self._app, [child])  # which has ended, unless the policy stopped it
        status = history.reload(self._app[STORE], child)["status"]
        _note(self._app, self._record, f"Trial {child['runId']}: {status}.")

    def _find_or_create(self, name: str, index: int, point: dict[str, Any]) -> Document:
        record, step = self._record, self._step
        if found := history.find(self._app[STORE], workspace=record["workspace"], name=name):
            return found
        _note(self._app, record, f"Scheduling trial {name}: {json.dumps(point)}")
        return history.create(
            self._app[STORE],
            workspace=record["workspace"],
            name=name,
            parent=record,
            displayName=f"{step.display_name}_{index}",
            experimentName=record["experimentName"],
            compute=step.compute,
            tags={"hyperparameters": json.dumps(point)},
            properties={},
        )

    async def _follow(self, child: Document, trial: Step) -> None:
        """Run a trial to its end, or until the policy sees no hope for it."""
        running = asyncio.create_task(steps.run(self._app, child, trial))
        try:
            while not (await asyncio.wait([running], timeout=_JUDGE_S))[0]:
                if await asyncio.to_thread(self._is_hopeless, child["runId"]):
                    return
            running.result()
        finally:
            running.cancel()
            await asyncio.wait([running])

    def _is_hopeless(self, trial: str) -> bool:
        if (policy := self._tried.policy) is None:
            return False
        histories = self._histories()
        for interval in range(self._judged.get(trial, 0) + 1, len(histories[trial]) + 1):
            self._judged[trial] = interval
            if policy.stops(trial, histories, interval=interval, minimize=self._tried.is_minimized):
                _note(self._app, self._record, f"Trial {trial} is stopped by the policy at interval {interval}.")
                return True
        return False

    def _results(self) -> list[tuple[dict[str, Any], float]]:
        reached = sweep.reached(self._tried, self._histories())
        return [(self._points[name], value) for name, value in reached.items()]

    def _histories(self) -> dict[str, list[float]]:
        return runs.metric_histories(self._app[HOME], tuple(self._points), self._tried.primary_metric)


def _trial(step: Step, tried: Sweep, name: str, index: int, parameters: dict[str, Any]) -> Step:
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


async def _choose(app: web.Application, record: Document, step: Step, tried: Sweep) -> None:
    """Note which trial is best, and give the sweep its outputs; raise ArmError when there is none to choose."""
    trials = {child["runId"]: child for child in history.children(app[STORE], record)}
    completed = [name for name, child in trials.items() if child["status"] == "Completed"]
    if not completed:
        raise ArmError(400, "UserError", "No trial of the sweep has completed. Please check the logs of the trials.")
    scores = await asyncio.to_thread(runs.metric_histories, app[HOME], completed, tried.primary_metric)
    chosen = sweep.best(tried, scores)
    if chosen is None:
        text = f"No trial of the sweep has logged the primary metric {tried.primary_metric!r} to MLflow."
        raise ArmError(400, "UserError", text)
    name, score = chosen
    _note(app, record, f"Best trial: {name}, {tried.primary_metric} = {score}.")
    found = {"best_child_run_id": name, "score": str(score), "best_metric_status": "Succeeded"}
    metric = json.dumps({"name": tried.primary_metric, "goal": tried.goal})
    properties = history.reload(app[STORE], record)["properties"] | found | {"primary_metric_config": metric}
    history.update(app[STORE], record, properties=properties)
    await outputs.take_over(app, record, step, trials[name])
