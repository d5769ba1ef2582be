"""The faults in force, and the questions that the emulator's rooms ask them."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from mlops.emulator.context import STORE
from mlops.emulator.errors import ArmError, BlobError
from mlops.emulator.faults.kinds import Drawn, Fault, Latency, Operation, Reset, Status
from mlops.emulator.storage.account import HOST

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from aiohttp.typedefs import Handler

    from mlops.emulator.store import Document

F = TypeVar("F", bound=Fault)

_CODES = {429: "TooManyRequests", 500: "InternalServerError", 503: "ServiceUnavailable", 504: "GatewayTimeout"}


class Armed:
    """A fault in force, with its own random numbers and how often it struck."""

    def __init__(self, id: str, fault: Fault) -> None:  # noqa: A002 - the word of the documents
        self.id, self.fault, self.hits = id, fault, 0
        self.cleared = asyncio.Event()
        self._rate, seed = (fault.rate, fault.seed) if isinstance(fault, Drawn) else (None, 0)
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def strikes(self) -> bool:
        """Return whether it strikes what it matches this time, and count it if so."""
        spent = self.fault.count is not None and self.hits >= self.fault.count
        if spent or (self._rate is not None and self._random.random() >= self._rate):
            return False
        self.hits += 1
        return True

    def document(self) -> Document:
        """Return what `/_emulator/faults` says of it."""
        return {"id": self.id, "hits": self.hits, **self.fault.model_dump(exclude_none=True)}


class Faults:
    """All faults in force; they are forgotten when the emulator stops, so that every start begins in order."""

    def __init__(self) -> None:
        self._armed: dict[str, Armed] = {}
        self._added = 0

    def add(self, fault: Fault) -> Armed:
        """Put a fault into force."""
        self._added += 1
        armed = self._armed[f"fault-{self._added}"] = Armed(f"fault-{self._added}", fault)
        return armed

    def list(self) -> tuple[Armed, ...]:
        """Return all, in the order they were added."""
        return tuple(self._armed.values())

    def clear(self, id: str) -> bool:  # noqa: A002 - the word of the documents
        """Take a fault out of force; return whether there was one of this id."""
        armed = self._armed.pop(id, None)
        if armed is not None:
            armed.cleared.set()
        return armed is not None

    def strike(self, kind: type[F], **facts: str) -> tuple[F, Armed] | None:
        """Return the first fault of a kind that matches the facts and strikes now."""
        for armed in self._armed.values():
            if isinstance(armed.fault, kind) and armed.fault.matches(**facts) and armed.strikes():
                return armed.fault, armed
        return None

    def take(self, kind: type[F], **facts: str) -> F | None:
        """Return the fault that strikes now, or None."""
        struck = self.strike(kind, **facts)
        return struck and struck[0]


FAULTS = web.AppKey("faults", Faults)


@web.middleware
async def inject(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the faults of routes strike a request: first latency, then a broken connection, then an error."""
    faults, facts = request.app[FAULTS], {"method": request.method, "path": request.path}
    if not faults.list() or request.path.startswith("/_emulator/"):
        return await handler(request)
    if latency := faults.take(Latency, **facts):
        await asyncio.sleep(latency.latency_s)
    if reset := faults.take(Reset, **facts):
        return await _break_off(request, handler, after=reset.after)
    if status := faults.take(Status, **facts):
        if status.after:
            await handler(request)
        return _refusal(request, status)
    return await handler(request)


def misled(request: web.Request, work: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
    """Return the work of a long-running operation, or what a fault makes of it."""
    struck = request.app[FAULTS].strike(Operation, method=request.method, path=request.path)
    if struck is None:
        return work
    operation, armed = struck
    return _held(armed, work) if operation.outcome == "hang" else _failed(request, operation, work)


async def _held(armed: Armed, work: Coroutine[Any, Any, None]) -> None:
    try:
        await armed.cleared.wait()
    except asyncio.CancelledError:
        work.close()
        raise
    await work


async def _failed(request: web.Request, operation: Operation, work: Coroutine[Any, Any, None]) -> None:
    work.close()
    document = request.app[STORE].get(request.path)
    if document and "provisioningState" in document["properties"]:
        document["properties"]["provisioningState"] = "Failed"
        request.app[STORE].put(request.path, document)
    raise ArmError(500, operation.code, operation.message)


async def _break_off(request: web.Request, handler: Handler, *, after: bool) -> web.StreamResponse:
    response = await handler(request) if after else web.Response()
    if request.transport is not None:
        request.transport.abort()
    return response


def _refusal(request: web.Request, fault: Status) -> web.Response:
    code = _CODES.get(fault.status, "InjectedFault")
    message = f"This {fault.status} is a fault that was asked for (mlops emulator fault list)."
    if request.path.startswith(f"/{HOST}/"):
        raise BlobError(fault.status, code, message, retry_after_s=fault.retry_after_s)
    raise ArmError(fault.status, code, message, retry_after_s=fault.retry_after_s)
