"""The data plane: requests to an endpoint's address, sent on to a container of one of its deployments."""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from mlops.emulator.context import STORE
from mlops.emulator.online import credentials
from mlops.emulator.online.containers import NotReadyError, TooManyPendingError
from mlops.emulator.online.fleet import FLEET, Route
from mlops.emulator.online.provisioning import SECRETS
from mlops.emulator.online.traffic import draw, draw_mirror
from mlops.emulator.operations import spawn

if TYPE_CHECKING:
    from mlops.emulator.online.containers import Containers
    from mlops.emulator.online.fleet import Fleet
    from mlops.emulator.store import Document

_PIN = "azureml-model-deployment"
_CLIENT_ID_LENGTH = 40
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}
_NOT_FORWARDED = _HOP_BY_HOP | {"host", "authorization", "content-length"}
_FAILURES = (TimeoutError, NotReadyError, TooManyPendingError, aiohttp.ClientError)


@dataclass(frozen=True)
class Call:
    """A client's request as a container gets it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


async def score(request: web.Request) -> web.StreamResponse:
    """Send the request to the pinned deployment, else to one drawn by the traffic map, and mirror it."""
    trace = _trace(request)
    name = request.match_info["endpoint"].lower()
    secret = request.app[STORE].get(f"{SECRETS}/{name}")
    if secret is None:
        return _refuse(404, f"Endpoint {name} was not found.", trace)
    endpoint = request.app[STORE].get(secret["id"])
    mode = endpoint["properties"]["authMode"] if endpoint else "Key"
    authorization = request.headers.get("Authorization", "")
    if not credentials.is_accepted(authorization, auth_mode=mode, secret=secret, now=time.time()):
        return _refuse(401, "The credential is missing, wrong or expired.", trace)
    return await _route(request, secret, trace)


async def _route(request: web.Request, secret: Document, trace: dict[str, str]) -> web.StreamResponse:
    fleet, call = request.app[FLEET], await _call(request, trace)
    # Read after the body: from here until a slot is taken nothing waits, so no deletion can come between.
    route, pin = fleet.routes.get(secret["name"], Route()), request.headers.get(_PIN)
    name = pin or draw(route.traffic, random.random())  # noqa: S311 - a share of traffic is no secret
    if name is None:
        return _refuse(404, "The endpoint doesn't have any valid deployment with positive weight.", trace)
    containers = fleet.find(f"{secret['id']}/deployments/{name}")
    if containers is None:
        return _refuse(404, f"Deployment {name} was not found or does not serve.", trace)
    shadow = draw_mirror(route.mirror, random.random())  # noqa: S311 - nor is one of copies
    if shadow and not pin:
        spawn(request.app, _copy(fleet, fleet.find(f"{secret['id']}/deployments/{shadow}"), call))
    return await _relay(request, containers, call, {_PIN: name, "azureml-model-session": name, **trace})


async def _relay(
    request: web.Request, containers: Containers, call: Call, headers: dict[str, str]
) -> web.StreamResponse:
    response: web.StreamResponse | None = None
    try:
        async with (
            asyncio.timeout(containers.spec.request_timeout_s),
            containers.slot() as container,
            _send(request.app[FLEET], container.url, call) as upstream,
        ):
            response = _response(upstream, headers)
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response
    except _FAILURES as failure:
        if response is None or not response.prepared:
            return _failed(failure, headers)
        if request.transport is not None:
            request.transport.abort()  # half of it is sent: the client must not take that for the whole
        return response


async def _copy(fleet: Fleet, containers: Containers | None, call: Call) -> None:
    """Send a mirrored request; nobody waits for its answer, and what fails is lost."""
    if containers is None:
        return
    with suppress(*_FAILURES):
        async with (
            asyncio.timeout(containers.spec.request_timeout_s),
            containers.slot() as container,
            _send(fleet, container.url, call) as upstream,
        ):
            await upstream.read()


def _send(fleet: Fleet, url: str, call: Call) -> aiohttp.client._RequestContextManager:
    return fleet.session.request(
        call.method, f"{url}/{call.path}", headers=call.headers, data=call.body or None, allow_redirects=False
    )


async def _call(request: web.Request, trace: dict[str, str]) -> Call:
    left_out = _NOT_FORWARDED | trace.keys()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in left_out}
    path = request.match_info["path"] + (f"?{request.query_string}" if request.query_string else "")
    return Call(request.method, path, headers | trace, await request.content.read())


def _trace(request: web.Request) -> dict[str, str]:
    own = str(uuid.uuid4())
    trace = {"x-request-id": own, "x-ms-request-id": own}
    if client := request.headers.get("x-ms-client-request-id"):
        trace["x-ms-client-request-id"] = re.sub(r"[^A-Za-z0-9_-]", "", client)[:_CLIENT_ID_LENGTH]
    return trace


def _response(upstream: aiohttp.ClientResponse, headers: dict[str, str]) -> web.StreamResponse:
    left_out = _HOP_BY_HOP | headers.keys()
    kept = {name: value for name, value in upstream.headers.items() if name.lower() not in left_out}
    status = upstream.status
    if not upstream.ok:
        # The front door hides the container's own status: its clients see 424 and these headers.
        kept |= _model_error(status, "model_error")
        status = 424
    return web.StreamResponse(status=status, headers=kept | headers)


def _failed(failure: Exception, headers: dict[str, str]) -> web.Response:
    if isinstance(failure, TimeoutError):
        return _refuse(408, "The deployment did not answer within its request timeout.", headers)
    if isinstance(failure, TooManyPendingError):
        # Without a body, as the service's router answers.
        return web.Response(status=429, headers=headers | {"ms-azureml-model-error-reason": "too_many_pending_request"})
    if isinstance(failure, NotReadyError):
        return _refuse(424, str(failure), headers | _model_error(503, "model_not_ready"))
    return _refuse(424, "The container broke off the connection.", headers | _model_error(502, "model_error"))


def _model_error(status: int, reason: str) -> dict[str, str]:
    return {"ms-azureml-model-error-statuscode": str(status), "ms-azureml-model-error-reason": reason}


def _refuse(status: int, message: str, headers: dict[str, str]) -> web.Response:
    error = {"error": {"code": str(status), "message": message}}
    return web.json_response(error, status=status, headers=headers)


routes: tuple[web.RouteDef, ...] = (web.route("*", "/endpoints/{endpoint}/{path:.*}", score),)
