"""Managed online deployments: a model on a number of containers, behind an endpoint."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.bodies import BODY
from mlops.emulator.context import STORE, WORKSPACE
from mlops.emulator.errors import inferencing_call_failed, not_found
from mlops.emulator.online import provisioning, quota, specification, storage_initializer, traffic
from mlops.emulator.online.containers import LOG
from mlops.emulator.online.endpoints import check_idle, check_not_deleting, endpoint_id, find_endpoint
from mlops.emulator.operations import accepted, accepted_delete

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.store import Document, Store

lifecycle = provisioning.lifecycle

_MAX_DEPLOYMENTS = 20
_MISSING_TEXT = "The container is not running yet, so there are no logs. Try again later."


async def create_or_update(request: web.Request) -> web.Response:
    """Start the deployment's containers; one that exists goes on serving until the new ones are ready."""
    endpoint = find_endpoint(request)
    existing = request.app[STORE].get(_deployment_id(request))
    document = _document(request, request[BODY], existing)
    _check(request, endpoint, document, existing)
    request.app[STORE].put(document["id"], document)
    return await accepted(
        request, document, provisioning.provision(request.app, document), status=200 if existing else 201
    )


async def get(request: web.Request) -> web.Response:
    """Answer the deployment."""
    return web.json_response(_find(request))


async def list_(request: web.Request) -> web.Response:
    """Answer all deployments of the endpoint."""
    endpoint = find_endpoint(request)
    return web.json_response({"value": request.app[STORE].children(f"{endpoint['id']}/deployments")})


async def delete(request: web.Request) -> web.Response:
    """Delete a deployment without traffic; this takes precedence over its own creation or update."""
    endpoint, document = find_endpoint(request), request.app[STORE].get(_deployment_id(request))
    if document is None:
        return web.Response(status=204)
    # That the mirror's target is refused as well is nowhere written; the stricter reading is taken.
    if percent := traffic.weight(endpoint, document["name"]):
        raise inferencing_call_failed(
            f"Deployment [{document['name']}] has {percent} percent of live or mirror traffic and cannot be"
            " deleted. Set its traffic to 0 first."
        )
    check_not_deleting(document)
    check_idle(request.app, endpoint, but=document["name"])
    provisioning.set_state(request.app[STORE], document["id"], "Deleting")
    return await accepted_delete(request, provisioning.remove(request.app, document))


async def get_logs(request: web.Request) -> web.Response:
    """Answer the last lines of one of the deployment's two containers."""
    document, body = _find(request), request[BODY]
    name = storage_initializer.LOG if body.get("containerType") == "StorageInitializer" else LOG
    log = provisioning.folder(request.app, document["id"]) / name
    content = await asyncio.to_thread(_tail, log, body.get("tail") or 100)
    return web.json_response({"content": content})


def _document(request: web.Request, body: Document, existing: Document | None) -> Document:
    properties = specification.with_defaults(body["properties"])
    return arm.resource(
        _deployment_id(request),
        type="workspaces/onlineEndpoints/deployments",
        properties={**properties, "provisioningState": "Updating" if existing else "Creating"},
        tags=body.get("tags"),
        previous=existing,
        location=body.get("location"),
        kind="Managed",
        sku={"name": "Default", "capacity": 1, **specification.given(body.get("sku"))},
    )


def _check(request: web.Request, endpoint: Document, document: Document, existing: Document | None) -> None:
    check_idle(request.app, endpoint)
    checks = (
        _bad_place(request.app[STORE], endpoint, existing),
        specification.bad_name("Deployment", document["name"]),
        specification.refusal(document),
        provisioning.refusal(request.app, document),
        quota.refusal(request.app, document),
    )
    for reason in filter(None, checks):
        raise inferencing_call_failed(reason)


def _bad_place(store: Store, endpoint: Document, existing: Document | None) -> str | None:
    if endpoint["properties"]["provisioningState"] != "Succeeded":
        return (
            "This endpoint has not been created successfully or is in deleting provisioning state."
            " Please recreate endpoint and then try again to create deployment."
        )
    if (
        existing
        and existing["properties"]["provisioningState"] == "Failed"
        and not store.get(provisioning.SERVED + existing["id"])
    ):
        return (
            f"Specified deployment [{existing['name']}] failed during initial provisioning and is in an"
            " unrecoverable state. Delete and re-create."
        )
    if existing is None and len(store.children(f"{endpoint['id']}/deployments")) >= _MAX_DEPLOYMENTS:
        return f"An endpoint has at most {_MAX_DEPLOYMENTS} deployments."
    return None


def _deployment_id(request: web.Request) -> str:
    return f"{endpoint_id(request)}/deployments/{request.match_info['deployment']}"


def _find(request: web.Request) -> Document:
    document = request.app[STORE].get(_deployment_id(request))
    if document is None:
        raise not_found(f"Deployment {request.match_info['deployment']}")
    return document


def _tail(log: Path, count: int) -> str:
    try:
        with log.open(errors="replace") as lines:
            return "".join(deque(lines, maxlen=count))
    except FileNotFoundError:
        return _MISSING_TEXT


_DEPLOYMENT = WORKSPACE + "/onlineEndpoints/{endpoint}/deployments/{deployment}"
routes: tuple[web.RouteDef, ...] = (
    web.put(_DEPLOYMENT, create_or_update),
    web.get(_DEPLOYMENT, get),
    web.get(WORKSPACE + "/onlineEndpoints/{endpoint}/deployments", list_),
    web.delete(_DEPLOYMENT, delete),
    web.post(_DEPLOYMENT + "/getLogs", get_logs),
)
