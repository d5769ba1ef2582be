"""Runs the steps of a pipeline in their order; a pipeline inside it runs the same way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError
from mlops.emulator.jobs import components, history, logs, pipeline, steps, trials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiohttp import web

    from mlops.emulator.jobs.command import Step
    from mlops.emulator.store import Document


async def run(app: web.Application, record: Document, body: Mapping[str, Any]) -> None:
    """Run a pipeline to its end, or go on where a killed emulator left it."""
    log = logs.create(app[HOME], record, logs.PIPELINE)
    try:
        planned = pipeline.read(app[STORE], record["runId"], body)
        history.keep_outputs(app[STORE], record, pipeline.outputs(record["runId"], body))
        history.update(app[STORE], record, status="Running")
        await steps.track(app, record)
        failed = await _Graph(app, record, body, log).run(planned)
        logs.note(log, "Finishing experiment: no runs left and nothing to schedule.")
        if failed:
            raise _failure(failed)
    except (ArmError, OSError) as error:
        await steps.end(app, record, "Failed", error=error)
    else:
        await steps.end(app, record, "Completed")


async def run_step(app: web.Application, record: Document, step: Step, settings: Mapping[str, Any]) -> None:
    """Run whatever a step is: a command, a sweep or a pipeline of its own."""
    if step.sweep:
        await trials.run(app, record, step, step.sweep)
    elif components.is_pipeline(step.spec):
        await run(app, record, pipeline.nested(step, settings))
    else:
        await steps.run(app, record, step)


def _failure(failed: Mapping[str, Document]) -> ArmError:
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

    def __init__(self, app: web.Application, record: Document, body: Mapping[str, Any], log: Path) -> None:
        self._app, self._record, self._body, self._log = app, record, body, log
        self._go_on = pipeline.continues_on_failure(body)
        self._running: dict[asyncio.Task[Document], str] = {}
        self._done: set[str] = set()
        self._failed: dict[str, Document] = {}

    async def run(self, planned: list[Step]) -> dict[str, Document]:
        """Run each step when those it waits for are done; return the failed ones by their place."""
        waiting = {step.node: step for step in planned}
        try:
            while True:
                self._start_ready(waiting)
                if not self._running:
                    return self._failed
                ended, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._note_end(self._running.pop(task), task.result())
                if self._failed and not self._go_on:
                    await self._cancel()
        finally:
            await self._stop()

    def _start_ready(self, waiting: dict[str, Step]) -> None:
        if self._failed and not self._go_on:
            return
        ready = [step for step in waiting.values() if self._is_ready(step)]
        if ready:
            first = ",".join(f"{step.node}:{step.name}" for step in ready[:5])
            logs.note(self._log, f"Submitting {len(ready)} runs, first five are: {first}")
        for step in ready:
            del waiting[step.node]
            self._running[asyncio.create_task(self._run_step(self._without_missing(step)))] = step.node

    def _is_ready(self, step: Step) -> bool:
        return step.waits_for <= self._done and step.waits_for.union(*step.prefers.values()) <= self._done | set(
            self._failed
        )

    def _without_missing(self, step: Step) -> Step:
        missing = {name for name, owners in step.prefers.items() if owners & set(self._failed)}
        kept = {name: replace(given, value=None) if name in missing else given for name, given in step.inputs.items()}
        return replace(step, inputs=kept)

    def _note_end(self, node: str, child: Document) -> None:
        logs.note(self._log, f"Completing processing run id {child['runId']}.")
        if child["status"] == "Completed":
            self._done.add(node)
        else:
            self._failed[node] = child

    async def _cancel(self) -> None:
        await self._stop()
        for child in history.children(self._app[STORE], self._record):
            await steps.cancel(self._app, history.family(self._app[STORE], child))

    async def _stop(self) -> None:
        """Stop following the steps; their processes go on."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()

    async def _run_step(self, step: Step) -> Document:
        child = history.find(self._app[STORE], workspace=self._record["workspace"], name=step.name)
        if child is None:
            child = self._create(step)
        if child["status"] not in history.TERMINAL:
            await run_step(self._app, child, step, self._body.get("settings") or {})
        return history.reload(self._app[STORE], child)

    def _create(self, step: Step) -> Document:
        return history.create(
            self._app[STORE],
            workspace=self._record["workspace"],
            name=step.name,
            parent=self._record,
            displayName=step.display_name,
            experimentName=self._record["experimentName"],
            compute=step.compute,
            tags={},
            properties={"azureml.moduleName": str(step.spec.get("name"))},
        )
