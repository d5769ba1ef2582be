"""Serve one home until told to stop; begin afresh without losing the port when told to reset."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import tls
from mlops.emulator.app import build
from mlops.emulator.control import ENDING

if TYPE_CHECKING:
    from mlops.emulator.home import Home

_SHUTDOWN_S = 2.0
_BACKLOG = 1024
# What makes a home the same home after a reset.
_KEPT = {"port", "ca.pem", "bundle.pem", "server.pem", "start.lock", "serving.lock", "emulator.log", "emulator.pid"}


def serve(home: Home) -> None:
    """Serve until SIGTERM or SIGINT.

    Raise OSError when the port is taken, and BlockingIOError when this home is being served already.
    """
    with (home.root / "serving.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The socket stays open over a reset: requests that come meanwhile wait in its backlog.
        with socket.create_server(("127.0.0.1", home.port), backlog=_BACKLOG) as listener:
            tls.create(home)
            tls.write_bundle(home)
            (home.root / "emulator.pid").write_text(str(os.getpid()))
            print(f"Azure ML emulator at {home.url} (home: {home.root})", flush=True)
            while asyncio.run(_run(home, listener)):
                forget(home)


def forget(home: Home) -> None:
    """Delete all state of a stopped emulator; its address and certificate stay."""
    for entry in home.root.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name not in _KEPT:
            entry.unlink()


async def _run(home: Home, listener: socket.socket) -> bool:
    for folder in (home.blobs, home.jobs, home.deployments, home.registry):
        folder.mkdir(exist_ok=True)
    app = build(home)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listener.dup(), ssl_context=tls.server_context(home)).start()
        ending = app[ENDING]
        return await ending
    finally:
        await runner.cleanup()


def _end(app: web.Application) -> None:
    if not app[ENDING].done():
        app[ENDING].set_result(False)
