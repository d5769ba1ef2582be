"""Long-running operations: the reply that says where to ask, and the work that goes on behind it."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from mlops.emulator.context import HOME, STORE, SUBSCRIPTION
from mlops.emulator.errors import ArmError, not_found
from mlops.emulator.faults.injection import misled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from mlops.emulator.store import Document, Store

TASKS: web.AppKey[set[asyncio.Task[None]]] = web.AppKey("tasks")

_LOCATION = SUBSCRIPTION + "/providers/Microsoft.MachineLearningServices/locations/{location}"
_OPERATIONS = "/_emulator/operations"
# Azure says 5 to 30 s; this keeps the SDK from waiting longer than the work takes.
_RETRY_AFTER = {"x-ms-retry-after-ms": "50"}


async def accepted(
    request: web.Request, document: Document, work: Coroutine[Any, Any, None], *, status: int = 201
) -> web.Response:
    """Start the work and reply with the resource as it is now; an ArmError of the work fails the operation."""
    operation = _start(request, work)
    url, location = (_url(request, kind, operation) for kind in ("mfeOperationsStatus", "mfeOperationResults"))
    own = document["properties"].get("properties")
    if own is not None:  # endpoints and deployments say there, too, where to ask
        own["AzureAsyncOperationUri"] = url
        request.app[STORE].put(document["id"], document)
    headers = {"Azure-AsyncOperation": url, "Location": location, **_RETRY_AFTER}
    return web.json_response(document, status=status, headers=headers)


async def accepted_delete(request: web.Request, work: Coroutine[Any, Any, None]) -> web.Response:
    """Start the work and reply 202 with the address that answers 202 until the resource is gone."""
    operation = _start(request, work)
    headers = {"Location": _url(request, "mfeOperationResults", operation), **_RETRY_AFTER}
    return web.Response(status=202, headers=headers)


def spawn(app: web.Application, work: Coroutine[Any, Any, None]) -> None:
    """Run the work in the background, until it is done or the emulator stops."""
    task = asyncio.ensure_future(work)
    app[TASKS].add(task)
    task.add_done_callback(app[TASKS].discard)


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Fail what a killed emulator left unfinished; cancel what is unfinished when this one stops."""
    for operation in app[STORE].children(_OPERATIONS):
        if operation["status"] == "InProgress":
            error = {"code": "OperationCanceled", "message": "The emulator stopped during the operation."}
            _finish(app[STORE], operation["name"], error)
    yield
    tasks = app[TASKS]
    unfinished = tuple(tasks)
    for task in unfinished:
        task.cancel()
    if unfinished:
        await asyncio.wait(unfinished)


def _start(request: web.Request, work: Coroutine[Any, Any, None]) -> str:
    operation, now = str(uuid.uuid4()), datetime.now(UTC).isoformat()
    document = {"name": operation, "status": "InProgress", "startTime": now}
    request.app[STORE].put(f"{_OPERATIONS}/{operation}", document)
    spawn(request.app, _run(request.app[STORE], operation, misled(request, work)))
    return operation


async def _run(store: Store, operation: str, work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except ArmError as error:
        _finish(store, operation, error.body()["error"])
    except BaseException:  # a cancellation, too: it goes on, and the operation has ended
        _finish(store, operation, {"code": "InternalServerError", "message": "The emulator failed; see its log."})
        raise
    else:
        _finish(store, operation, None)


def _finish(store: Store, operation: str, error: dict[str, Any] | None) -> None:
    begun = store.get(f"{_OPERATIONS}/{operation}") or {}
    outcome: Document = {"status": "Succeeded"} if error is None else {"status": "Failed", "error": error}
    store.put(f"{_OPERATIONS}/{operation}", {**begun, **outcome, "endTime": datetime.now(UTC).isoformat()})


def _url(request: web.Request, kind: str, operation: str) -> str:
    location = _LOCATION.format(subscription=quote(request.match_info["subscription"]), location="local")
    return f"{request.app[HOME].url}{location}/{kind}/{operation}"


def _find(request: web.Request) -> Document:
    name = request.match_info["operation"]
    operation = request.app[STORE].get(f"{_OPERATIONS}/{name}")
    if operation is None:
        raise not_found(f"Operation {name}")
    return operation


async def status(request: web.Request) -> web.Response:
    """Answer how the operation stands."""
    return web.json_response(_find(request), headers=_RETRY_AFTER)


async def result(request: web.Request) -> web.Response:
    """Answer 202 while a deletion runs, 204 when it is done, else the error it ended with."""
    operation = _find(request)
    if operation["status"] == "InProgress":
        return web.Response(status=202, headers={"Location": str(request.url), **_RETRY_AFTER})
    if operation["status"] == "Failed":
        return web.json_response({"error": operation["error"]}, status=409)
    return web.Response(status=204)


routes: tuple[web.RouteDef, ...] = (
    web.get(_LOCATION + "/mfeOperationsStatus/{operation}", status),
    web.get(_LOCATION + "/mfeOperationResults/{operation}", result),
)
