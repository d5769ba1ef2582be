"""The rules of the data plane: who may ask, which deployment answers, and what the client sees of its answer."""

from __future__ import annotations

import asyncio
import random
import re
import time
import uuid
from contextlib import suppress
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING

from mlops.emulator.context import HOME
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.online import credentials, interference, refusals
from mlops.emulator.online.containers import NotReadyError, TooManyPendingError
from mlops.emulator.online.fleet import FLEET
from mlops.emulator.online.refusals import Refusal
from mlops.emulator.online.traffic import draw, draw_mirror
from mlops.emulator.online.upstream import BrokenError, Unheard
from mlops.emulator.operations import spawn

if TYPE_CHECKING:
    from asyncio import Transport

    from aiohttp import web

    from mlops.emulator.online.client import Call, Client
    from mlops.emulator.online.containers import Containers
    from mlops.emulator.online.fleet import Endpoint
    from mlops.emulator.online.limits import Usage
    from mlops.emulator.online.upstream import Headers, Reply

_PIN, _SESSION = b"azureml-model-deployment", b"azureml-model-session"
_DELAY = b"ms-azureml-bandwidth-request-delay-ms"
_CLIENT_ID, _CLIENT_ID_LENGTH = b"x-ms-client-request-id", 40
# A GUID of its own for every request, made faster than by uuid.uuid4: a random beginning, and a number.
_GUID, _NUMBERS = str(uuid.uuid4())[:-12].encode(), count()
_SERVER = (b"server", b"azureml-frontdoor")
_TRACE = {b"x-request-id", b"x-ms-request-id", _CLIENT_ID}
_HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"expect"}
_NOT_FORWARDED = _HOP_BY_HOP | _TRACE | {b"authorization", b"content-length"}
_NOT_RETURNED = _HOP_BY_HOP | _TRACE | {b"server", _PIN, _SESSION}


async def answer(app: web.Application, call: Call, client: Client) -> None:
    """Answer a client's request, whatever comes of it."""
    own = _trace(call)
    try:
        fault = await interference.delay(app, call) if app[FAULTS].list() else None
        if fault is None or fault.after:
            await _score(app, call, client, own, is_lost=fault is not None)
        if fault is not None:
            raise interference.answer(fault)
    except Refusal as refusal:
        if client.has_started:
            client.abort()  # half of an answer is sent: it must not be taken for the whole
        else:
            _refuse(client, refusal, own)
    except interference.BreakOff:
        client.abort()


async def _score(app: web.Application, call: Call, client: Client, own: Headers, *, is_lost: bool) -> None:
    """Send the request to the pinned deployment, else to one drawn by the traffic map, and mirror it."""
    fleet = app[FLEET]
    name, path = _address(call)
    endpoint = fleet.endpoints.get(name)
    if endpoint is None:
        raise refusals.unknown_endpoint(name)
    delay_s = _admit(app, endpoint, call, client)
    if delay_s:
        await asyncio.sleep(delay_s)
    # From here until a container is taken nothing waits, so that no deletion can come between.
    pin = call.fields.get(_PIN, b"").decode("latin-1")
    deployment = pin or draw(endpoint.route.traffic, random.random())  # noqa: S311 - a share of traffic is no secret
    if deployment is None:
        raise refusals.no_weight()
    deployment_id = endpoint.deployment_id(deployment)
    containers = fleet.find(deployment_id)
    if containers is None:
        raise refusals.unknown_deployment(deployment)
    request = _request(call, path, own)
    if not pin:
        _mirror(app, endpoint, request)
    own += [(_PIN, deployment.encode("latin-1")), (_SESSION, deployment.encode("latin-1"))]
    reply = Unheard() if is_lost else _Answer(client, endpoint.usage, own, delay_s)
    await _ask(app, deployment_id, containers, request, reply)


def _admit(app: web.Application, endpoint: Endpoint, call: Call, client: Client) -> float:
    """Return how many seconds the request is ahead of the endpoint's bandwidth; refuse what is not let in."""
    authorization = call.fields.get(b"authorization", b"").decode("latin-1")
    if not credentials.is_accepted(
        app[HOME], authorization, auth_mode=endpoint.auth_mode, secret=endpoint.secret, now=time.time()
    ):
        raise refusals.unauthorized()
    usage, now = endpoint.usage, time.monotonic()
    if usage.disconnect not in client.on_close:
        if not usage.connect(now):
            raise refusals.rate_limited("connections")
        client.on_close.append(usage.disconnect)
    if not usage.request(now):
        raise refusals.rate_limited("requests per second")
    return usage.transfer(len(call.body), now)


def _mirror(app: web.Application, endpoint: Endpoint, request: bytes) -> None:
    """Send the shadow a copy, now and then; nobody waits for its answer."""
    shadow = draw_mirror(endpoint.route.mirror, random.random())  # noqa: S311 - a share of copies is no secret
    containers = shadow and app[FLEET].find(endpoint.deployment_id(shadow))
    if shadow and containers:
        endpoint.usage.transfer(len(request), time.monotonic())
        spawn(app, _copy(app, endpoint.deployment_id(shadow), containers, request))


async def _copy(app: web.Application, deployment_id: str, containers: Containers, request: bytes) -> None:
    with suppress(Refusal):
        await _ask(app, deployment_id, containers, request, Unheard())


async def _ask(app: web.Application, deployment_id: str, containers: Containers, request: bytes, reply: Reply) -> None:
    deadline = asyncio.get_running_loop().time() + containers.spec.request_timeout_s
    try:
        container = await containers.take(deadline)
        try:
            if app[FAULTS].list():
                async with asyncio.timeout_at(deadline):
                    await interference.strike(app, deployment_id, containers)
            await container.upstream.ask(request, reply, deadline)
        finally:
            containers.give(container)
    except TimeoutError:
        raise refusals.timed_out() from None
    except TooManyPendingError:
        raise refusals.too_many_pending() from None
    except NotReadyError as error:
        raise refusals.not_ready(str(error)) from None
    except BrokenError as error:
        raise refusals.broken(str(error)) from None


def _address(call: Call) -> tuple[str, bytes]:
    """Return the endpoint that the request's address names, and what follows."""
    name, _, path = call.url.removeprefix(b"/endpoints/").partition(b"/")
    return name.decode("latin-1").lower(), path


def _trace(call: Call) -> Headers:
    own = b"%b%012x" % (_GUID, next(_NUMBERS))
    trace = [(b"x-request-id", own), (b"x-ms-request-id", own)]
    if client := call.fields.get(_CLIENT_ID):
        trace.append((_CLIENT_ID, re.sub(rb"[^A-Za-z0-9_-]", b"", client)[:_CLIENT_ID_LENGTH]))
    return trace


def _request(call: Call, path: bytes, own: Headers) -> bytes:
    """Return the request as the container gets it."""
    kept = [b"%b: %b\r\n" % header for header in call.headers if header[0] not in _NOT_FORWARDED]
    added = [b"%b: %b\r\n" % header for header in own]
    start, length = b"%b /%b HTTP/1.1\r\n" % (call.method, path), b"content-length: %d\r\n\r\n" % len(call.body)
    return b"".join((start, *kept, *added, length, call.body))


def _refuse(client: Client, refusal: Refusal, own: Headers) -> None:
    body = refusal.body()
    kind = b"application/json" if body else b"text/plain"
    headers = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    length = (b"content-length", b"%d" % len(body))
    client.start(refusal.status, [_SERVER, (b"content-type", kind), length, *headers, *own])
    client.write(body)
    client.finish()


class _Answer:
    """A container's answer as the front door lets it through."""

    def __init__(self, client: Client, usage: Usage, marks: Headers, delay_s: float) -> None:
        self._client, self._usage, self._marks = client, usage, marks
        self._num_bytes = 0
        self._trailers = b"%b: %d\r\n" % (_DELAY, delay_s * 1000) if delay_s else b""
        self.flush = client.flush

    @property
    def source(self) -> Transport | None:
        """Return what is paused while the client does not keep up."""
        return self._client.source

    @source.setter
    def source(self, source: Transport | None) -> None:
        self._client.source = source

    def start(self, status: int, headers: Headers) -> None:
        """Hide every status but 200 behind 424, which names it in a header."""
        kept = [header for header in headers if header[0] not in _NOT_RETURNED]
        if self._trailers:  # they need chunks
            kept = [(b"trailer", _DELAY), *(header for header in kept if header[0] != b"content-length")]
        if status != HTTPStatus.OK:
            kept += [(name.encode(), value.encode()) for name, value in refusals.model_error(status).items()]
            status = HTTPStatus.FAILED_DEPENDENCY
        self._client.start(status, [*kept, _SERVER, *self._marks])

    def write(self, data: bytes) -> None:
        """Count it, and pass it on."""
        self._num_bytes += len(data)
        self._client.write(data)

    def finish(self) -> None:
        """End the reply; what it took of the bandwidth, the next request waits for."""
        self._usage.transfer(self._num_bytes, time.monotonic())
        self._client.finish(self._trailers)
