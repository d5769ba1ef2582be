"""What the emulator says about itself: its health, the requests it saw, and a way to begin afresh."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import __version__
from mlops.emulator.bodies import BODY
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import bad_request
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.redaction import redact

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from mlops.emulator.store import Document

# Its result says whether the emulator shall begin afresh (True) or stop.
ENDING: web.AppKey[asyncio.Future[bool]] = web.AppKey("ending")
START = web.AppKey("start", str)
"""Names this start: another one, after a reset, has another."""

_KINDS = ("computes", "data", "models", "components", "environments", "jobs", "onlineEndpoints", "deployments")
_DIGITS = 19  # more do not fit SQLite's integers

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    sequence INTEGER PRIMARY KEY, method TEXT, path TEXT, status INTEGER, body TEXT
)
"""


class RequestLog:
    """Keep every control-plane request, so that tests can prove which writes happened."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(_SCHEMA)

    def append(self, method: str, path: str, status: int, body: Document | None) -> None:
        """Add one request; `body` is kept for writes of endpoints only, and without its secrets."""
        row = (method, path, status, json.dumps(redact(body)))
        self._db.execute("INSERT INTO requests (method, path, status, body) VALUES (?, ?, ?, ?)", row)

    def since(self, sequence: int) -> list[Document]:
        """Return the requests after a sequence number, oldest first."""
        rows = self._db.execute("SELECT * FROM requests WHERE sequence > ? ORDER BY sequence", (sequence,))
        names = ("sequence", "method", "path", "status", "body")
        return [dict(zip(names, (*row[:4], json.loads(row[4])), strict=True)) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


REQUESTS = web.AppKey("requests", RequestLog)


@web.middleware
async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Write the request and its status down, if it concerns the control plane."""
    response = await handler(request)
    if request.path.startswith(("/subscriptions/", "/mferp/")):
        is_endpoint = request.method in {"PUT", "PATCH"} and "/onlineEndpoints/" in request.path
        # Without a body: what was refused before it was read.
        body = request.get(BODY) if is_endpoint else None
        request.app[REQUESTS].append(request.method, _printable(request.path), response.status, body)
    return response


def _printable(path: str) -> str:
    return path.encode(errors="replace").decode()


async def health(request: web.Request) -> web.Response:
    """Answer that the emulator is up, and which it is."""
    home = str(request.app[HOME].root)
    return web.json_response({"version": __version__, "pid": os.getpid(), "home": home, "start": request.app[START]})


async def status(request: web.Request) -> web.Response:
    """Answer how many resources of each kind there are, and the faults in force."""
    counts = {kind: request.app[STORE].count(kind) for kind in _KINDS}
    return web.json_response({**counts, "faults": [armed.document() for armed in request.app[FAULTS].list()]})


async def requests(request: web.Request) -> web.Response:
    """Answer the control-plane requests after `since`."""
    since = request.query.get("since", "0")
    if not (since.isascii() and since.isdigit() and len(since) < _DIGITS):
        raise bad_request(f"since must be the sequence number of a request, not {since!r}.")
    return web.json_response(request.app[REQUESTS].since(int(since)))


async def reset(request: web.Request) -> web.Response:
    """End every child and forget everything; requests that come meanwhile wait for the fresh start."""
    response = web.json_response({}, status=202)
    response.force_close()
    await response.prepare(request)
    await response.write_eof()
    request.app[ENDING].set_result(True)
    return response


routes: tuple[web.RouteDef, ...] = (
    web.get("/_emulator/health", health),
    web.get("/_emulator/status", status),
    web.get("/_emulator/requests", requests),
    web.post("/_emulator/reset", reset),
)
