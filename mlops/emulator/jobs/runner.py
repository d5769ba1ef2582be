"""Runs jobs in the background: the steps of a pipeline in their order, and what a killed emulator left to its end."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator import operations
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError
from mlops.emulator.jobs import command, components, history, logs, pipeline, steps

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from mlops.emulator.jobs.command import Step
    from mlops.emulator.store import Document

TASKS = web.AppKey("job_tasks", dict[str, asyncio.Task[None]])

# A step may wait for another that runs beside it, also on a machine with one core.
_MIN_SLOTS = 2


def start(app: web.Application, run: Document) -> None:
    """Run a job in the background; one that a killed emulator left is taken up where it stands."""
    task = asyncio.create_task(_run_job(app, run))
    app[TASKS][run["runId"]] = task
    task.add_done_callback(lambda task: _ended(app, run, task))


async def cancel(app: web.Application, run: Document) -> None:
    """End a job and all its steps."""
    members = [member for member in history.family(app[STORE], run) if member["status"] not in history.TERMINAL]
    for member in members:
        history.update(app[STORE], member, status="CancelRequested")
    if task := app[TASKS].get(run["runId"]):
        task.cancel()
        await asyncio.wait([task])
    for member in reversed(members):
        await steps.kill(app, member)
        await steps.end(app, member, "Canceled")


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Take up the jobs that a killed emulator left; leave them as they are when this one stops."""
    app[TASKS], app[steps.SLOTS] = {}, asyncio.Semaphore(max(_MIN_SLOTS, os.cpu_count() or 1))
    for run in history.active(app[STORE]):
        if run["status"] == "CancelRequested":
            operations.spawn(app, cancel(app, run))
        else:
            start(app, run)
    yield
    tasks = tuple(app[TASKS].values())
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _ended(app: web.Application, run: Document, task: asyncio.Task[None]) -> None:
    app[TASKS].pop(run["runId"], None)
    if task.cancelled() or not (bug := task.exception()):
        return
    logging.getLogger(__name__).error("Job %s", run["runId"], exc_info=bug)
    error = {"error": {"code": "SystemError", "message": f"The emulator failed, see its log: {bug}"}}
    for member in history.family(app[STORE], run):
        if member["status"] not in history.TERMINAL:
            history.update(app[STORE], member, status="Failed", error=error)


async def _run_job(app: web.Application, run: Document) -> None:
    body = run["body"]
    if body["jobType"] == "Pipeline":
        await _run_pipeline(app, run, body)
    else:
        await steps.run(app, run, command.read_job(run["runId"], body, default_uri=history.output_uri))


async def _run_pipeline(app: web.Application, run: Document, body: Mapping[str, Any]) -> None:
    log = logs.create(app[HOME], run, logs.PIPELINE)
    try:
        planned = pipeline.read(app[STORE], run["runId"], body)
        history.keep_outputs(app[STORE], run, pipeline.outputs(run["runId"], body))
        history.update(app[STORE], run, status="Running")
        await steps.track(app, run)
        failed = await _Graph(app, run, log, go_on=pipeline.continues_on_failure(body)).run(planned)
        if failed:
            raise _pipeline_failed(failed)
    except (ArmError, OSError) as error:
        await steps.end(app, run, "Failed", error=error)
    else:
        await steps.end(app, run, "Completed")


def _pipeline_failed(failed: Mapping[str, Document]) -> ArmError:
    nodes = ", ".join(f"/{node}" for node in failed)
    causes = "\n".join(f"/{node}: {run['error']['error']['message']}" for node, run in failed.items() if run["error"])
    return ArmError(
        400,
        "UserError",
        f"Pipeline has failed child jobs. Failed nodes: {nodes}. For more details and logs, please go to the "
        f"job detail page and check the child jobs.\n{causes}",
    )


class _Graph:
    """The steps of one running pipeline."""

    def __init__(self, app: web.Application, run: Document, log: Path, *, go_on: bool) -> None:
        self._app, self._run, self._log, self._go_on = app, run, log, go_on
        self._running: dict[asyncio.Task[Document], str] = {}
        self._failed: dict[str, Document] = {}

    async def run(self, planned: list[Step]) -> dict[str, Document]:
        """Run each step when those it waits for are done; return the failed ones by their place."""
        waiting, done = {step.node: step for step in planned}, set[str]()
        try:
            while True:
                self._start_ready(waiting, done)
                if not self._running:
                    return self._failed
                ended, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                done |= {self._running[task] for task in ended if self._is_completed(task)}
                for task in ended:
                    del self._running[task]
                if self._failed and not self._go_on:
                    await self._cancel()
        finally:
            await self._stop()

    def _start_ready(self, waiting: dict[str, Step], done: set[str]) -> None:
        if self._failed and not self._go_on:
            return
        for step in [step for step in waiting.values() if step.waits_for <= done]:
            del waiting[step.node]
            self._running[asyncio.create_task(self._run_step(step))] = step.node

    def _is_completed(self, task: asyncio.Task[Document]) -> bool:
        node, child = self._running[task], task.result()
        logs.note(self._log, f"Completing processing run id {child['runId']} ({node}): {child['status']}.")
        completed: bool = child["status"] == "Completed"
        if not completed:
            self._failed[node] = child
        return completed

    async def _cancel(self) -> None:
        await self._stop()
        for child in history.children(self._app[STORE], self._run):
            await cancel(self._app, child)

    async def _stop(self) -> None:
        """Stop following the steps; their processes go on."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    async def _run_step(self, step: Step) -> Document:
        child = history.find(self._app[STORE], workspace=self._run["workspace"], name=step.name)
        if child is None:
            logs.note(self._log, f"Submitting 1 runs, first five are: {step.node}:{step.name}")
            child = self._create(step)
        if child["status"] not in history.TERMINAL:
            if components.is_pipeline(step.spec):
                await _run_pipeline(self._app, child, pipeline.nested(step))
            else:
                await steps.run(self._app, child, step)
        return history.reload(self._app[STORE], child)

    def _create(self, step: Step) -> Document:
        return history.create(
            self._app[STORE],
            workspace=self._run["workspace"],
            name=step.name,
            parent=self._run,
            displayName=step.display_name,
            experimentName=self._run["experimentName"],
            compute=step.compute,
            tags={},
            properties={"azureml.moduleName": str(step.spec.get("name"))},
        )
