"""Serve one home until told to stop; begin afresh without losing the port when told to reset."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import socket
from typing import TYPE_CHECKING

import uvloop
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from mlops.emulator import tls
from mlops.emulator.app import build
from mlops.emulator.control import ENDING
from mlops.emulator.home import open_private

if TYPE_CHECKING:
    from mlops.emulator.home import Home

_SHUTDOWN_S = 2.0
_BACKLOG = 1024
# A connection that sends nothing, or a header at a time, is closed after so long.
_IDLE_S = 75.0
_WATCH_S = 0.5
_PRIVATE = 0o077


def serve(home: Home) -> None:
    """Serve until SIGTERM or SIGINT, or until the home is deleted.

    Raise OSError when the address cannot be used, and BlockingIOError when this home is being served already.
    """
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    os.umask(_PRIVATE)  # whatever it or its children write is for this user alone
    with (home.root / "serving.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The socket stays open over a reset: requests that come meanwhile wait in its backlog.
        with socket.create_server((home.host, home.port), backlog=_BACKLOG) as listener:
            tls.create(home)
            tls.write_bundle(home)
            with open_private(home.pid) as file:
                file.write(str(os.getpid()))
            print(f"Azure ML emulator at {home.url} (home: {home.root})", flush=True)
            while uvloop.run(_run(home, listener)):
                home.forget()


async def _run(home: Home, listener: socket.socket) -> bool:
    for folder in (home.blobs, home.jobs, home.deployments, home.registry):
        folder.mkdir(exist_ok=True)
    app = build(home)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S, keepalive_timeout=_IDLE_S)
    await runner.setup()
    watch = asyncio.create_task(_watch(app, home))
    try:
        await web.SockSite(runner, listener.dup(), ssl_context=tls.server_context(home)).start()
        ending = app[ENDING]
        return await ending
    finally:
        watch.cancel()
        await runner.cleanup()


async def _watch(app: web.Application, home: Home) -> None:
    """End the emulator when its home is deleted: what it remembers is gone, and nobody would find it again."""
    while home.state.exists():  # noqa: ASYNC110 - a deleted folder gives no event
        await asyncio.sleep(_WATCH_S)
    print(f"The folder {home.root} was deleted while the emulator used it: the emulator ends.", flush=True)
    _end(app)


def _is_ours(record: logging.LogRecord) -> bool:
    """Return whether an error is the emulator's: what is no HTTP is answered 400, and is its sender's."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError))


def _end(app: web.Application) -> None:
    if not app[ENDING].done():
        app[ENDING].set_result(False)
