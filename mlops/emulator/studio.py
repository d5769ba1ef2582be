"""The studio of a workspace: a program of its own, started by whoever first follows a link to it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from mlops import ports
from mlops.emulator import daemon
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError
from mlops.emulator.home import LOOPBACK
from mlops.emulator.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from mlops.emulator.store import Document

_START_S = 120.0
_POLL_S = 0.2
_LOG = "studio.log"
STARTING = web.AppKey("studio", asyncio.Lock)
"""Held by the one request that starts a studio."""


async def address(app: web.Application, workspace: str) -> str:
    """Return where the studio of a workspace is, when it answers there; `workspace` is the workspace's ARM id."""
    async with app[STARTING]:
        kept = app[STORE].get(_key(workspace))
        if kept is None or not app[SUPERVISOR].is_alive(kept["pid"]):
            kept = await _start(app, workspace)
        if not await _comes_up(app, kept):
            raise ArmError(500, "SystemError", f"The studio does not start: see {app[HOME].root / _LOG}.")
    return _url(kept)


async def _start(app: web.Application, workspace: str) -> Document:
    port = ports.free()
    _, _, subscription, _, group, *_, name = workspace.split("/")
    settings = {
        "MLOPS_WORKSPACE__SUBSCRIPTION_ID": subscription,
        "MLOPS_WORKSPACE__RESOURCE_GROUP": group,
        "MLOPS_WORKSPACE__NAME": name,
        "MLOPS_WORKSPACE__EMULATOR": "false",  # it runs: it is we who start this
    }
    home = app[HOME]
    process = await app[SUPERVISOR].start_process(
        [sys.executable, "-m", "mlops.cli", "studio", "--environment", "local", "--port", str(port)],
        cwd=Path.cwd(),  # where the emulator was started: the records of runs are there
        env={**os.environ, **daemon.environment(home), **settings},
        log=home.root / _LOG,
    )
    return app[STORE].put(_key(workspace), {"port": port, "pid": process.pid})


async def _comes_up(app: web.Application, kept: Document) -> bool:
    """Wait until the studio answers; return whether it did before it ended or the time was up."""
    deadline = time.monotonic() + _START_S
    while not await _answers(_url(kept)):
        if time.monotonic() > deadline or not app[SUPERVISOR].is_alive(kept["pid"]):
            return False
        await asyncio.sleep(_POLL_S)
    return True


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/static/icon.svg") as reply:
            return reply.status == web.HTTPOk.status_code
    except aiohttp.ClientError:
        return False


def _key(workspace: str) -> str:
    return f"/_emulator/studio{workspace}"


def _url(kept: Document) -> str:
    return f"http://{LOOPBACK}:{kept['port']}"
