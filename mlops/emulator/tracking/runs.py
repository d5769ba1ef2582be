"""The MLflow runs of jobs: opened before a job's first process, closed after its last one."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

from mlops.emulator.context import HOME
from mlops.emulator.errors import ArmError
from mlops.emulator.tracking import gateway, server

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiohttp import web

    from mlops.emulator.home import Home
    from mlops.emulator.store import Document

_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


async def start_run(app: web.Application, run: Document) -> dict[str, str]:
    """Open the MLflow run of a job, and return the variables that make the job's MLflow calls land there."""
    experiment = await _experiment(app, run["experimentName"])
    query, allow = {"run_id": run["runId"]}, "RESOURCE_DOES_NOT_EXIST"
    known = await _call(app, "GET", "runs/get", params=query, allow=allow)
    if "run" not in known:  # else the emulator was killed before it could start the job
        created = await _call(app, "POST", "runs/create", json=_new_run(run, experiment))
        await asyncio.to_thread(_rename, app[HOME], created["run"]["info"]["run_id"], run["runId"])
    return {
        "MLFLOW_TRACKING_URI": gateway.uri(app[HOME], run["workspace"]),
        "MLFLOW_EXPERIMENT_ID": experiment,
        "MLFLOW_EXPERIMENT_NAME": run["experimentName"],
        "MLFLOW_RUN_ID": run["runId"],
        "AZUREML_EXPERIMENT_ID": experiment,
    }


async def end_run(app: web.Application, run: Document, status: str) -> None:
    """Close the MLflow run of a job that has ended."""
    body = {"run_id": run["runId"], "status": _STATUS[status], "end_time": _milliseconds()}
    await _call(app, "POST", "runs/update", json=body)


def metric_histories(home: Home, runs: Collection[str], metric: str) -> dict[str, list[float]]:
    """Return the numbers that each run has logged of a metric, in their order.

    They are read from the server's database: a sweep asks often, for all its trials at once.
    """
    marks = ", ".join("?" * len(runs))
    query = f"SELECT run_uuid, value FROM metrics WHERE key = ? AND NOT is_nan AND run_uuid IN ({marks})"  # noqa: S608
    histories: dict[str, list[float]] = {run: [] for run in runs}
    with closing(sqlite3.connect(f"file:{server.database(home)}?mode=ro", uri=True, timeout=30)) as database:
        for run, value in database.execute(f"{query} ORDER BY timestamp, step", (metric, *runs)):
            histories[run].append(value)
    return histories


async def _experiment(app: web.Application, name: str) -> str:
    # Two jobs may create the same experiment at once: who comes second finds the first one's.
    found = await _call(app, "POST", "experiments/create", json={"name": name}, allow="RESOURCE_ALREADY_EXISTS")
    if "experiment_id" not in found:
        query = {"experiment_name": name}
        found = (await _call(app, "GET", "experiments/get-by-name", params=query))["experiment"]
    return str(found["experiment_id"])


async def _call(app: web.Application, method: str, path: str, *, allow: str | None = None, **content: Any) -> Any:
    """Return what MLflow answers; raise ArmError (500) for an error other than the one to `allow`."""
    headers = {"Accept-Encoding": "identity"}  # what is passed on elsewhere is not unpacked
    async with server.ask(app, method, f"api/2.0/mlflow/{path}", headers=headers, **content) as reply:
        answer = await reply.json()
    if answer.get("error_code") not in (None, allow):
        raise ArmError(500, "SystemError", f"MLflow: {answer['message']}")
    return answer


def _new_run(run: Document, experiment: str) -> dict[str, Any]:
    own = {"mlflow.user": "emulator", "mlflow.rootRunId": run["rootRunId"], "azureml.workspaceScope": run["workspace"]}
    tags = {**run["tags"], **own}
    if run["parentRunId"]:
        tags["mlflow.parentRunId"] = run["parentRunId"]
    return {
        "experiment_id": experiment,
        "run_name": run["displayName"],
        "start_time": _milliseconds(),
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _rename(home: Home, drawn: str, name: str) -> None:
    """Give an MLflow run the job's name as its id, as Azure ML does; MLflow's own server only draws ids."""
    artifacts = f"mlflow-artifacts:/ExperimentRun/dcid.{name}"
    with closing(sqlite3.connect(server.database(home), timeout=30)) as database, database:
        database.execute("UPDATE runs SET run_uuid = ?, artifact_uri = ? WHERE run_uuid = ?", (name, artifacts, drawn))
        database.execute("UPDATE tags SET run_uuid = ? WHERE run_uuid = ?", (name, drawn))
