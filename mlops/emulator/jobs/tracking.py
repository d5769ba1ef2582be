"""MLflow, as Azure ML has it: one tracking server, started by whoever asks it first, where each job is a run."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sqlite3
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError
from mlops.emulator.jobs import logs, tracking_server
from mlops.emulator.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mlops.emulator.home import Home
    from mlops.emulator.store import Document

_SERVER = "/_emulator/tracking"
_START_S = 120.0
_POLL_S = 0.2
_BACKLOG = 128
_STATUS = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}


def uri(app: web.Application) -> str:
    """Return the address of the tracking server, which starts with the first request to it."""
    return f"http://127.0.0.1:{_port(app)}"


async def start_run(app: web.Application, run: Document) -> dict[str, str]:
    """Open the MLflow run of a job, and return the variables that make the job's MLflow calls land there."""
    server = await _ready(app)
    experiment = await _experiment(server, run["experimentName"])
    known = await _get(server, "runs/get", {"run_id": run["runId"]}, allow="RESOURCE_DOES_NOT_EXIST")
    if "run" not in known:  # else the emulator was killed before it could start the job
        created = await _post(server, "runs/create", _new_run(run, experiment))
        await asyncio.to_thread(_rename, app[HOME], created["run"]["info"]["run_id"], run["runId"])
    return {
        "MLFLOW_TRACKING_URI": server,
        "MLFLOW_EXPERIMENT_ID": experiment,
        "MLFLOW_EXPERIMENT_NAME": run["experimentName"],
        "MLFLOW_RUN_ID": run["runId"],
        "AZUREML_EXPERIMENT_ID": experiment,
    }


async def end_run(app: web.Application, run: Document, status: str) -> None:
    """Close the MLflow run of a job that has ended."""
    body = {"run_id": run["runId"], "status": _STATUS[status], "end_time": _milliseconds()}
    await _post(await _ready(app), "runs/update", body)


async def metric_history(app: web.Application, run: str, metric: str) -> list[float]:
    """Return every value of a metric that a run has logged."""
    query = {"run_id": run, "metric_key": metric}
    found = await _get(await _ready(app), "metrics/get-history", query)
    return [float(entry["value"]) for entry in found.get("metrics", [])]


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Listen for the first request to the server, unless one that survived serves already; see `_keep_serving`."""
    listener = None if _is_alive(app) else _listen(app)
    task = asyncio.create_task(_keep_serving(app, listener))
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _keep_serving(app: web.Application, listener: socket.socket | None) -> None:
    """Start the server at the first connection, which waits for it; when it ends, listen again.

    The server survives a killed emulator, as the jobs do that log to it.
    """
    while True:
        if listener:
            with listener:
                await _first_connection(listener)
                await _spawn(app, listener)
        while _is_alive(app):  # noqa: ASYNC110 - a server of an earlier emulator gives no event
            await asyncio.sleep(_POLL_S)
        listener = _listen(app)


def _listen(app: web.Application) -> socket.socket:
    """Return a socket on the server's port, which is chosen once per home and again if another program has it."""
    try:
        listener = socket.create_server(("127.0.0.1", _port(app)), backlog=_BACKLOG)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    listener.setblocking(False)
    app[STORE].put(_SERVER, {"port": listener.getsockname()[1]})
    return listener


def _port(app: web.Application) -> int:
    document = app[STORE].get(_SERVER)
    if document is None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            document = app[STORE].put(_SERVER, {"port": probe.getsockname()[1]})
    return int(document["port"])


async def _first_connection(listener: socket.socket) -> None:
    loop, connected = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(listener, connected.set)
    try:
        await connected.wait()
    finally:
        loop.remove_reader(listener)


async def _spawn(app: web.Application, listener: socket.socket) -> None:
    home = app[HOME]
    # `mlflow server` imports all of MLflow only to start uvicorn, which imports it again; this does so once.
    args = [sys.executable, "-P", tracking_server.__file__, str(listener.fileno()), str(_database(home))]
    env = {
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(logs.root(home)),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    start, inherited = app[SUPERVISOR].start_process, (listener.fileno(),)
    server = await start(
        args, cwd=home.root, env={**os.environ, **env}, log=_log(home), survives=True, pass_fds=inherited
    )
    app[STORE].put(_SERVER, {**(app[STORE].get(_SERVER) or {}), "pid": server.pid})


def _is_alive(app: web.Application) -> bool:
    pid = (app[STORE].get(_SERVER) or {}).get("pid")
    return pid is not None and app[SUPERVISOR].is_alive(pid)


def _log(home: Home) -> Path:
    return home.jobs / "mlflow.log"


def _database(home: Home) -> Path:
    return home.jobs / "mlflow.db"


async def _ready(app: web.Application) -> str:
    """Return the server's address when it answers; asking it is what starts it."""
    try:
        async with asyncio.timeout(_START_S):
            while not await _is_healthy(uri(app)):  # noqa: ASYNC110 - another process gives no event
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        text = f"The MLflow server does not answer at {uri(app)}: see {_log(app[HOME])}."
        raise ArmError(500, "SystemError", text) from None
    return uri(app)


async def _is_healthy(address: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{address}/health") as reply:
            return reply.status == web.HTTPOk.status_code
    except aiohttp.ClientError:
        return False


async def _experiment(server: str, name: str) -> str:
    # Two jobs may create the same experiment at once: who comes second finds the first one's.
    found = await _post(server, "experiments/create", {"name": name}, allow="RESOURCE_ALREADY_EXISTS")
    if "experiment_id" not in found:
        found = (await _get(server, "experiments/get-by-name", {"experiment_name": name}))["experiment"]
    return str(found["experiment_id"])


async def _get(server: str, path: str, query: dict[str, str], *, allow: str | None = None) -> Any:
    async with aiohttp.ClientSession() as session, session.get(_api(server, path), params=query) as reply:
        return await _read(reply, allow)


async def _post(server: str, path: str, body: Any, *, allow: str | None = None) -> Any:
    async with aiohttp.ClientSession() as session, session.post(_api(server, path), json=body) as reply:
        return await _read(reply, allow)


def _api(server: str, path: str) -> str:
    return f"{server}/api/2.0/mlflow/{path}"


async def _read(reply: aiohttp.ClientResponse, allow: str | None) -> Any:
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
    with closing(sqlite3.connect(_database(home), timeout=30)) as database, database:
        database.execute("UPDATE runs SET run_uuid = ?, artifact_uri = ? WHERE run_uuid = ?", (name, artifacts, drawn))
        database.execute("UPDATE tags SET run_uuid = ? WHERE run_uuid = ?", (name, drawn))
