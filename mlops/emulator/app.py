"""The whole surface of the emulator: one route table, and the chain every request passes."""

from __future__ import annotations

import asyncio
import sqlite3
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import (
    authentication,
    bodies,
    control,
    identity,
    operations,
    scope,
    studio,
    supervisor,
    templates,
    workspace,
)
from mlops.emulator.assets import resource as assets
from mlops.emulator.assets import uploads
from mlops.emulator.compute import quota, sizes
from mlops.emulator.compute import resource as computes
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError, BlobError, home_is_gone, unknown_route, unreadable
from mlops.emulator.faults import injection
from mlops.emulator.faults import resource as faults
from mlops.emulator.home import Home
from mlops.emulator.jobs import resource as jobs
from mlops.emulator.jobs import runner, runs
from mlops.emulator.online import deployments, endpoints, front_door
from mlops.emulator.registry import catalog, registries, sharing
from mlops.emulator.storage import blob, containers, datastores
from mlops.emulator.store import Store
from mlops.emulator.tracking import gateway, server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

# fmt: off
_ROOMS = (
    identity, workspace, templates, sizes, quota, computes, datastores, containers, blob, operations, assets, uploads,
    registries, sharing, jobs, runs, gateway, endpoints, deployments, control, faults,
)
# fmt: on
# nginx's, for its log: no status of HTTP says so.
_CLIENT_LEFT = 499
# Started in this order, ended in the opposite one: children end before what remembers them is closed.
# fmt: off
_LIVES = (
    supervisor, operations, containers, registries, catalog, workspace, computes, server, runner, deployments,
    front_door,
)
# fmt: on


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn the errors of the catalog into Azure's replies."""
    try:
        return await handler(request)
    except ArmError as error:
        return _reply(error)
    except BlobError as error:
        text, headers = error.body(), error.headers
        return web.Response(text=text, status=error.status, headers=headers, content_type="application/xml")
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as refusal:
        return web.json_response(unknown_route(request.method, request.path).body(), status=refusal.status)
    except web.RequestPayloadError as error:
        return _reply(unreadable(str(error)))
    except (OSError, sqlite3.Error) as error:
        return _accident(request, error)


def _accident(request: web.Request, error: Exception) -> web.Response:
    """Answer what happened to the client or to the home; anything else is ours, and raised again."""
    if request.transport is None:  # the client left in the middle of its request: nobody reads an answer
        return web.Response(status=_CLIENT_LEFT)
    if request.app[HOME].state.exists():
        raise error
    return _reply(home_is_gone(request.app[HOME].root))


def _reply(error: ArmError) -> web.Response:
    return web.json_response(error.body(), status=error.status, headers=error.headers)


@web.middleware
async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every reply the request id that Azure's support would ask for."""
    response = await handler(request)
    response.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
    return response


def build(home: Home) -> web.Application:
    """Return the application of one home; what an earlier one left in the store is taken up when it starts."""
    rules = [authentication.authenticate, bodies.read, injection.inject, workspace.adopt, scope.require]
    app = web.Application(middlewares=[trace, control.record, errors, *rules], client_max_size=bodies.LIMIT)
    app[HOME], app[STORE] = home, Store(home.state)
    app[control.REQUESTS] = control.RequestLog(home.state)
    app[control.ENDING] = asyncio.get_running_loop().create_future()
    app[control.START] = str(uuid.uuid4())
    app[supervisor.SUPERVISOR] = supervisor.Supervisor(app[STORE])
    app[operations.TASKS] = set()
    app[studio.STARTING] = asyncio.Lock()
    app[injection.FAULTS] = injection.Faults()
    app.add_routes(routes())
    app.cleanup_ctx.append(_files)
    app.cleanup_ctx.extend(module.lifecycle for module in _LIVES)
    return app


def routes() -> list[web.RouteDef]:
    """Return every route of the emulator."""
    return [route for room in _ROOMS for route in room.routes]


async def _files(app: web.Application) -> AsyncIterator[None]:
    yield
    app[STORE].close()
    app[control.REQUESTS].close()
