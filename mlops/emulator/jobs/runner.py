"""Runs jobs in the background, and takes up what a killed emulator left."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import operations
from mlops.emulator.context import STORE
from mlops.emulator.jobs import graph, history, steps, submission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
    await steps.cancel(app, members)


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


async def _run_job(app: web.Application, run: Document) -> None:
    body = run["body"]
    if body["jobType"] == "Pipeline":
        await graph.run(app, run, body)
    else:
        (step,) = submission.read(app[STORE], run["runId"], body)
        await graph.run_step(app, run, step, {})


def _ended(app: web.Application, run: Document, task: asyncio.Task[None]) -> None:
    app[TASKS].pop(run["runId"], None)
    if task.cancelled() or not (bug := task.exception()):
        return
    logging.getLogger(__name__).error("Job %s", run["runId"], exc_info=bug)
    error = {"error": {"code": "SystemError", "message": f"The emulator failed, see its log: {bug}"}}
    for member in history.family(app[STORE], run):
        if member["status"] not in history.TERMINAL:
            history.update(app[STORE], member, status="Failed", error=error)
