"""One step of a job: its folder, its process, its end; it can be taken up by another emulator than started it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError
from mlops.emulator.jobs import command, components, history, logs, outputs, tracking
from mlops.emulator.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.jobs.command import Step
    from mlops.emulator.store import Document

SLOTS = web.AppKey("job_slots", asyncio.Semaphore)

_POLL_S = 0.05


async def run(app: web.Application, record: Document, step: Step) -> None:
    """Run a step to its end, or wait for the end of one that is running already."""
    try:
        started = record if "pid" in record else history.update(app[STORE], record, status="Queued")
        async with app[SLOTS]:
            if "pid" not in started:
                started = await _start(app, started, step)
            await _succeed(app, started)
        history.update(app[STORE], started, status="Finalizing")
        for output in step.outputs.values():
            await outputs.register(app, started, output)
    except (ArmError, OSError) as error:
        await end(app, record, "Failed", error=error)
    else:
        await end(app, record, "Completed")


async def end(app: web.Application, record: Document, status: str, *, error: Exception | None = None) -> None:
    """Write how a run ended, first to MLflow."""
    if "tracked" in history.reload(app[STORE], record):
        await tracking.end_run(app, record, status)
    history.update(app[STORE], record, status=status, error=error and _describe(error))


async def track(app: web.Application, record: Document) -> dict[str, str]:
    """Open the MLflow run of a job or step and return the variables that lead to it."""
    variables = await tracking.start_run(app, record)
    history.update(app[STORE], record, tracked=True)
    return variables


async def kill(app: web.Application, record: Document) -> None:
    """End the process of a step, if it has one, and all that it started."""
    if pid := history.reload(app[STORE], record).get("pid"):
        await app[SUPERVISOR].stop(pid)


async def _start(app: web.Application, record: Document, step: Step) -> Document:
    record = history.update(app[STORE], record, status="Preparing")
    history.keep_outputs(app[STORE], record, step.outputs)
    log = logs.create(app[HOME], record, logs.STEP)
    # Fake: the environment must exist (that is checked at submission), but no image is built from it.
    environment = step.spec.get("environment")
    logs.note(log, f"Environment {environment} is not built by this emulator; the job runs in {sys.executable}.")
    folder = app[HOME].jobs / record["runId"]
    code = folder / "code"
    await asyncio.to_thread(_fill, code, snapshot=_snapshot(app, step))
    text, env = await _bind(app, record, step)
    args = command.wrap(text, exit_file=folder / "exit")
    process = await app[SUPERVISOR].start_process(args, cwd=code, env=env, log=log, survives=True)
    return history.update(app[STORE], record, status="Running", pid=process.pid)


async def _bind(app: web.Application, record: Document, step: Step) -> tuple[str, dict[str, str]]:
    """Return the command's text and variables, once its inputs are here and MLflow knows the run."""
    workspace = record["workspace"]
    inputs = {
        name: await outputs.locate(app, given, name=name, workspace=workspace) for name, given in step.inputs.items()
    }
    written = {name: str(outputs.prepare(app, output)) for name, output in step.outputs.items()}
    stand_in = step.spec.get(components.STAND_IN)
    text = command.resolve((stand_in or step.spec)["command"], inputs=inputs, outputs=written)
    given = await track(app, record)
    data = {name: inputs[name] for name, value in step.inputs.items() if value.type != "literal"}
    variables = command.environment(data, written, stands_in=stand_in is not None)
    return text, {**variables, **given, **_identity(record), **step.environment_variables}


def _snapshot(app: web.Application, step: Step) -> Path | None:
    code = step.spec.get("code")
    return paths.local_path(app[STORE], app[HOME], code) if code else None


def _fill(folder: Path, *, snapshot: Path | None) -> None:
    """Give the step its own copy of its code, or an empty folder when it brings none."""
    shutil.rmtree(folder, ignore_errors=True)
    if snapshot:
        shutil.copytree(snapshot, folder)
    folder.mkdir(parents=True, exist_ok=True)


def _identity(record: Document) -> dict[str, str]:
    _, _, subscription, _, group, *_, workspace = record["workspace"].split("/")
    return {
        "AZUREML_RUN_ID": record["runId"],
        "AZUREML_ROOT_RUN_ID": record["rootRunId"],
        "AZUREML_EXPERIMENT_NAME": record["experimentName"],
        "AZUREML_ARM_SUBSCRIPTION": subscription,
        "AZUREML_ARM_RESOURCEGROUP": group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
    }


async def _succeed(app: web.Application, record: Document) -> None:
    """Wait until the process has ended; raise ArmError unless it ended well."""
    exit_file = app[HOME].jobs / record["runId"] / "exit"
    while not exit_file.exists():
        if not app[SUPERVISOR].is_alive(record["pid"]) and not exit_file.exists():
            raise ArmError(500, "SystemError", "preempted: the step's process vanished without an exit code.")
        await asyncio.sleep(_POLL_S)
    await app[SUPERVISOR].stop(record["pid"])
    if code := int(exit_file.read_text()):
        raise ArmError(
            400,
            "UserError",
            f"Execution failed. User process 'bash' exited with status code {code}. Please check log file "
            f"'{logs.STEP}' for error details. Error: {logs.tail(app[HOME], record)}",
        )


def _describe(error: Exception) -> Document:
    code = error.code if isinstance(error, ArmError) else "SystemError"
    return {"error": {"code": code, "message": str(error), "details": []}}
