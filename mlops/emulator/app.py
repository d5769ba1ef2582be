"""The whole surface of the emulator: one route table, and the chain every request passes."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import control, identity, operations, supervisor, workspace
from mlops.emulator.assets import resource as assets
from mlops.emulator.compute import clusters, sizes
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError, BlobError, unauthorized, unknown_route
from mlops.emulator.home import Home
from mlops.emulator.jobs import resource as jobs
from mlops.emulator.jobs import runs
from mlops.emulator.online import deployments, endpoints, scoring
from mlops.emulator.registry import catalog
from mlops.emulator.storage import blob, datastores
from mlops.emulator.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

# A pipeline job carries every step and component inline.
_MAX_BODY = 64 * 2**20


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn the errors of the catalog into Azure's replies."""
    try:
        return await handler(request)
    except ArmError as error:
        return web.json_response(error.body(), status=error.status)
    except BlobError as error:
        headers = {"x-ms-error-code": error.code}
        return web.Response(text=error.body(), status=error.status, headers=headers, content_type="application/xml")
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as refusal:
        return web.json_response(unknown_route(request.method, request.path).body(), status=refusal.status)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse control-plane requests that carry no bearer token; any token the emulator minted will do."""
    arm = request.path.startswith(("/subscriptions/", "/mferp/"))
    if arm and not request.headers.get("Authorization", "").startswith("Bearer "):
        raise unauthorized()
    return await handler(request)


@web.middleware
async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every reply the request id that Azure's support would ask for."""
    response = await handler(request)
    response.headers.setdefault("x-ms-request-id", str(uuid.uuid4()))
    return response


def build(home: Home) -> web.Application:
    """Return the application of one home; what an earlier one left in the store is taken up when it starts."""
    app = web.Application(middlewares=[trace, control.record, errors, authenticate], client_max_size=_MAX_BODY)
    app[HOME], app[STORE] = home, Store(home.state)
    app[control.REQUESTS] = control.RequestLog(home.state)
    app[control.ENDING] = asyncio.get_running_loop().create_future()
    app[supervisor.SUPERVISOR] = supervisor.Supervisor(app[STORE])
    app[operations.TASKS] = set()
    for module in (identity, workspace, sizes, clusters, datastores, blob, assets, catalog, operations):
        app.add_routes(module.routes)
    for module in (jobs, runs, endpoints, deployments, scoring, control):
        app.add_routes(module.routes)
    # Started in this order, ended in the opposite one: children end before what remembers them is closed.
    app.cleanup_ctx.append(_files)
    app.cleanup_ctx.extend(module.lifecycle for module in (supervisor, operations, blob, jobs, deployments))
    return app


async def _files(app: web.Application) -> AsyncIterator[None]:
    yield
    app[STORE].close()
    app[control.REQUESTS].close()
