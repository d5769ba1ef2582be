"""MLflow's REST interface where Azure ML has it: below the workspace, for those who hold a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator.context import WORKSPACE
from mlops.emulator.tracking import server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.home import Home

_ROOT = "/mlflow/v1.0"
_CHUNK = 2**18
# What concerns one connection only, or this emulator alone.
_DROPPED = {"connection", "keep-alive", "transfer-encoding", "expect", "upgrade", "host", "authorization"}
_DROPPED |= {"server", "date"}


def uri(home: Home, workspace: str) -> str:
    """Return the tracking URI of a workspace (ARM id)."""
    return f"{home.url}{_ROOT}{workspace}"


async def forward(request: web.Request) -> web.StreamResponse:
    """Hand a request of MLflow's REST interface to the MLflow server, which starts with the first one."""
    content = {"params": request.rel_url.query, "data": request.content if request.can_read_body else None}
    path, headers = request.match_info["path"], _kept(request.headers)
    async with server.ask(request.app, request.method, path, headers=headers, **content) as reply:
        response = web.StreamResponse(status=reply.status, headers=_kept(reply.headers))
        await response.prepare(request)
        async for chunk in reply.content.iter_chunked(_CHUNK):
            await response.write(chunk)
        await response.write_eof()
        return response


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _DROPPED}


routes: tuple[web.RouteDef, ...] = (web.route("*", _ROOT + WORKSPACE + "/{path:.*}", forward),)
