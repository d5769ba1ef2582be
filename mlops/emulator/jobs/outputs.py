"""What comes out of a step: folders to write to, and what happens to them when it has succeeded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.jobs import inputs, registration

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from mlops.emulator.jobs.command import Output, Step
    from mlops.emulator.store import Document


def prepare(app: web.Application, run: Document, name: str, output: Output) -> str:
    """Return what stands for an output in the command; the folder to write to exists."""
    if output.mode == "direct":
        return output.uri
    path = _local(app, run, name) if output.mode == "upload" else _remote(app, run, output)
    (path.parent if output.type == "uri_file" else path).mkdir(parents=True, exist_ok=True)
    return str(path)


async def keep(app: web.Application, run: Document, step: Step) -> None:
    """Upload what waits for it and register what has a name, as the service does when a step has succeeded."""
    for name, output in step.outputs.items():
        if output.mode == "upload" and _local(app, run, name).exists():
            await asyncio.to_thread(inputs.copy, _local(app, run, name), _remote(app, run, output))
        if output.asset_name:
            await registration.register_output(app, run, output)


async def take_over(app: web.Application, run: Document, step: Step, other: Document) -> None:
    """Give a step the outputs of another run: a sweep's are those of its best trial."""
    for name, output in step.outputs.items():
        source = paths.local_path(app[STORE], app[HOME], other["outputs"][name]["uri"], workspace=run["workspace"])
        if source.exists():
            await asyncio.to_thread(inputs.copy, source, _remote(app, run, output))
        if output.asset_name:
            await registration.register_output(app, run, output)


def _local(app: web.Application, run: Document, name: str) -> Path:
    return app[HOME].jobs / str(run["runId"]) / "outputs" / name


def _remote(app: web.Application, run: Document, output: Output) -> Path:
    return paths.local_path(app[STORE], app[HOME], output.uri, workspace=run["workspace"])
