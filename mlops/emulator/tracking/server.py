"""The MLflow server of a home: a process of its own, started by whoever asks it first."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web
from yarl import URL

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError
from mlops.emulator.home import LOOPBACK
from mlops.emulator.jobs import logs
from mlops.emulator.supervisor import SUPERVISOR
from mlops.emulator.tracking import process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from mlops.emulator.home import Home

_SERVER = "/_emulator/tracking"
_BACKLOG = 128
# The first answer waits for the import of all of MLflow, on a busy machine for minutes.
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_read=600)

_SESSION = web.AppKey("mlflow_session", aiohttp.ClientSession)
_STARTING = web.AppKey("mlflow_starting", asyncio.Lock)


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Be ready to ask the server, which survives a killed emulator."""
    app[_STARTING] = asyncio.Lock()
    async with aiohttp.ClientSession(timeout=_TIMEOUT, auto_decompress=False) as session:
        app[_SESSION] = session
        yield


@asynccontextmanager
async def ask(
    app: web.Application, method: str, path: str, *, headers: Mapping[str, str] | None = None, **content: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Yield the server's answer to a request; raise ArmError (503) when it breaks off."""
    url = URL.build(scheme="http", host=LOOPBACK, port=await _port(app), path=f"/{path}")
    shown = {**(headers or {}), process.SECRET_HEADER: app[HOME].secret("mlflow")}
    try:
        async with app[_SESSION].request(method, url, headers=shown, allow_redirects=False, **content) as reply:
            yield reply
    except (aiohttp.ClientConnectionError, TimeoutError) as error:
        text = f"The MLflow server does not answer ({error!r}): see {_log(app[HOME])}."
        raise ArmError(503, "ServiceUnavailable", text, retry_after_s=1) from None


def database(home: Home) -> Path:
    """Return the SQLite file that holds the runs and models."""
    return home.jobs / "mlflow.db"


async def _port(app: web.Application) -> int:
    """Return the port of the server; one that is only starting accepts connections already."""
    async with app[_STARTING]:
        document = app[STORE].get(_SERVER)
        if document is None or not app[SUPERVISOR].is_alive(document["pid"]):
            document = app[STORE].put(_SERVER, await _start(app))
    return int(document["port"])


async def _start(app: web.Application) -> dict[str, int]:
    home = app[HOME]
    env = {
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(logs.root(home)),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        process.SECRET_VARIABLE: home.secret("mlflow"),
    }
    with socket.create_server((LOOPBACK, 0), backlog=_BACKLOG) as listener:
        # `mlflow server` imports all of MLflow only to start uvicorn, which imports it again; this does so once.
        args = [sys.executable, "-P", process.__file__, str(listener.fileno()), str(database(home))]
        started = await app[SUPERVISOR].start_process(
            args,
            cwd=home.root,
            env={**os.environ, **env},
            log=_log(home),
            survives=True,
            pass_fds=(listener.fileno(),),
        )
        return {"pid": started.pid, "port": listener.getsockname()[1]}


def _log(home: Home) -> Path:
    return home.jobs / "mlflow.log"
