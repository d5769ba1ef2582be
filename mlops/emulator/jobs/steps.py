"""One step of a job: its folder, its processes, its end; it can be taken up by another emulator than started it."""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import TypeAdapter

from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.environments import interpreter
from mlops.emulator.errors import ArmError
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import Preemption
from mlops.emulator.jobs import command, components, history, inputs, launch, logs, outputs, registration
from mlops.emulator.supervisor import SUPERVISOR
from mlops.emulator.tracking import runs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mlops.emulator.jobs.command import Step
    from mlops.emulator.store import Document

SLOTS = web.AppKey("job_slots", asyncio.Semaphore)

_POLL_S = 0.05
_DURATION = TypeAdapter(timedelta)
# What a job writes into these folders of its working directory is kept with its logs.
_KEPT_FOLDERS = ("outputs", "logs")


class TimedOutError(ArmError):
    """A job reached its time limit, which cancels it."""

    def __init__(self, limit: str) -> None:
        super().__init__(400, "JobTimedOut", f"The job reached its time limit ({limit}) and was canceled.")


async def run(app: web.Application, record: Document, step: Step) -> None:
    """Run a step to its end, or wait for the end of one that is running already."""
    try:
        while await _is_preempted(app, record, step):
            record = history.update(app[STORE], record, pid=None)
        history.update(app[STORE], record, status="Finalizing")
        await outputs.keep(app, record, step)
        await registration.adopt_mlflow_models(app)
    except TimedOutError as error:
        await kill(app, record)
        await end(app, record, "Canceled", error=error)
    except (ArmError, OSError) as error:
        await end(app, record, "Failed", error=error)
    else:
        await end(app, record, "Completed")


async def end(app: web.Application, record: Document, status: str, *, error: Exception | None = None) -> None:
    """Write how a run ended, first to MLflow."""
    if "tracked" in history.reload(app[STORE], record):
        await runs.end_run(app, record, status)
    history.update(app[STORE], record, status=status, error=error and _describe(error))


async def track(app: web.Application, record: Document) -> dict[str, str]:
    """Open the MLflow run of a job or step and return the variables that lead to it."""
    variables = await runs.start_run(app, record)
    history.update(app[STORE], record, tracked=True)
    return variables


async def cancel(app: web.Application, members: Iterable[Document]) -> None:
    """End runs whose tasks are gone, given parents first."""
    for member in reversed([*members]):
        if history.reload(app[STORE], member)["status"] not in history.TERMINAL:
            await kill(app, member)
            await end(app, member, "Canceled")


async def kill(app: web.Application, record: Document) -> None:
    """End the processes of a step, if it has any, and all that they started."""
    if pid := history.reload(app[STORE], record).get("pid"):
        await app[SUPERVISOR].stop(pid)


def remaining_s(record: Document, limit: str) -> float:
    """Return how many seconds are left of a limit (ISO 8601) that counts from the start of the run."""
    elapsed = datetime.now(UTC) - datetime.fromisoformat(record["startTimeUtc"])
    return (_DURATION.validate_python(limit) - elapsed).total_seconds()


async def _is_preempted(app: web.Application, record: Document, step: Step) -> bool:
    """Run the processes of a step to their end; return whether they are to be started again."""
    started = record if record.get("pid") else history.update(app[STORE], record, status="Queued")
    async with app[SLOTS]:
        if not started.get("pid"):
            started = await _start(app, started, step)
        return await _wait(app, started, step.timeout)


async def _start(app: web.Application, record: Document, step: Step) -> Document:
    record = history.update(app[STORE], record, status="Preparing")
    history.keep_outputs(app[STORE], record, step.outputs)
    log = logs.create(app[HOME], record, logs.SYSTEM)
    python = await interpreter.find(app, step.spec.get("environment"), log=log)
    folder = app[HOME].jobs / record["runId"]
    (folder / "exit").unlink(missing_ok=True)
    kept = logs.folder(app[HOME], record["runId"])
    await asyncio.to_thread(_fill, folder / "code", snapshot=_snapshot(app, record, step), kept=kept)
    text, env = await _bind(app, record, step, python)
    args = launch.plan(step, text, folder=folder, logs=kept)
    process = await app[SUPERVISOR].start_process(
        args, cwd=folder / "code", env=env, log=log, survives=True, stdin=PIPE
    )
    running = history.update(app[STORE], record, status="Running", pid=process.pid)
    launch.release(process)
    return running


async def _bind(app: web.Application, record: Document, step: Step, python: Path) -> tuple[str, dict[str, str]]:
    """Return the command's text and variables, once its inputs are here and MLflow knows the run."""
    found = {name: await inputs.locate(app, record, name, given) for name, given in step.inputs.items()}
    written = {name: outputs.prepare(app, record, name, output) for name, output in step.outputs.items()}
    stand_in = step.spec.get(components.STAND_IN)
    text = command.resolve((stand_in or step.spec)["command"], inputs=found, outputs=written)
    tracked = await track(app, record)
    machine = launch.machine_of(python, stands_in=stand_in is not None)
    given = launch.variables(app[HOME], record, step, inputs=found, outputs=written)
    return text, {**machine, **given, **tracked, **step.environment_variables}


def _snapshot(app: web.Application, record: Document, step: Step) -> Path | None:
    code = step.spec.get("code")
    return paths.local_path(app[STORE], app[HOME], code, workspace=record["workspace"]) if code else None


def _fill(folder: Path, *, snapshot: Path | None, kept: Path) -> None:
    """Give the step its own copy of its code, or an empty folder when it brings none."""
    shutil.rmtree(folder, ignore_errors=True)
    if snapshot:
        shutil.copytree(snapshot, folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in _KEPT_FOLDERS:
        (kept / name).mkdir(parents=True, exist_ok=True)
        if (folder / name).is_dir():
            shutil.copytree(folder / name, kept / name, dirs_exist_ok=True)
            shutil.rmtree(folder / name)
        (folder / name).symlink_to(kept / name)


async def _wait(app: web.Application, record: Document, limit: str | None) -> bool:
    """Wait until the processes have ended; raise ArmError unless they ended well and in time.

    Return whether they are to be started again: a fault preempted them, or they were never told to begin.
    """
    exit_file = app[HOME].jobs / record["runId"] / "exit"
    while not exit_file.exists():
        if app[FAULTS].take(Preemption, job=record["runId"]):
            await kill(app, record)
            logs.note(logs.create(app[HOME], record, logs.SYSTEM), "The node was preempted: the job is queued again.")
            return True
        if not app[SUPERVISOR].is_alive(record["pid"]) and not exit_file.exists():
            raise ArmError(500, "SystemError", "preempted: the step's process vanished without an exit code.")
        if limit and remaining_s(record, limit) < 0:
            raise TimedOutError(limit)
        await asyncio.sleep(_POLL_S)
    await kill(app, record)
    if not (text := exit_file.read_text()):
        return True
    if code := int(text):
        raise _failure(code, *logs.tail(app[HOME], record))
    return False


def _failure(code: int, log: str, tail: str) -> ArmError:
    return ArmError(
        400,
        "UserError",
        f"Execution failed. User process 'bash' exited with status code {code}. Please check log file "
        f"'{log}' for error details. Error: {tail}",
    )


def _describe(error: Exception) -> Document:
    code = error.code if isinstance(error, ArmError) else "SystemError"
    return {"error": {"code": code, "message": str(error), "details": []}}
