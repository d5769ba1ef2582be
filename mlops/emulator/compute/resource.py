"""Computes as Azure Resource Manager knows them: clusters and instances of a workspace."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from aiohttp import web

from mlops.emulator import arm, operations
from mlops.emulator.bodies import BODY
from mlops.emulator.compute import clusters, instances, quota
from mlops.emulator.context import STORE, WORKSPACE
from mlops.emulator.errors import ArmError, bad_request, conflict, not_found
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import Quota
from mlops.emulator.home import LOCATION, TENANT
from mlops.emulator.jobs import history
from mlops.emulator.scope import WORKSPACES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlops.emulator.store import Document, Store

_COMPUTES = WORKSPACE + "/computes"
_COMPUTE = _COMPUTES + "/{name}"
_KINDS = {"AmlCompute": clusters, "ComputeInstance": instances}
# Names of instances are unique in a region: here, in the emulator.
_INSTANCES = "/_emulator/instances"
# Machines take minutes; the state in between must be seen here too.
_ALLOCATION_S = 0.05


async def create_or_update(request: web.Request) -> web.Response:
    """Create a compute, or change what can change in it; its size never can."""
    store, body = request.app[STORE], request[BODY]
    previous = store.get(request.path)
    given = body["properties"]
    kind = given.get("computeType")
    if kind not in _KINDS:
        raise bad_request(f"The emulator knows the computeTypes {' and '.join(_KINDS)} only, not {kind}.")
    if previous and previous["properties"]["computeType"] != kind:
        raise bad_request(f"Compute {previous['name']} is of type {previous['properties']['computeType']}.")
    settled = _KINDS[kind].settle(request.match_info["name"], given.get("properties") or {}, previous)
    if request.app[FAULTS].take(Quota, size=settled["vmSize"]):
        raise ArmError(400, "ClusterCoreQuotaReached", f"The quota of vCPUs for {settled['vmSize']} is used up.")
    document = _document(request.path, body, settled, previous)
    if kind == "ComputeInstance":
        _take_name(store, document)
    store.put(request.path, document)
    work = _allocate(store, request.path)
    return await operations.accepted(request, document, work, status=200 if previous else 201)


async def update(request: web.Request) -> web.Response:
    """Change the number of nodes of a cluster."""
    previous = _existing(request)
    scale = ((request[BODY].get("properties") or {}).get("properties") or {}).get("scaleSettings")
    if previous["properties"]["computeType"] != "AmlCompute" or not isinstance(scale, dict):
        raise bad_request("Only the scaleSettings of an AmlCompute can be patched.")
    settled = clusters.settle(previous["name"], {"scaleSettings": scale}, previous)
    document = _document(previous["id"], previous, settled, previous)
    request.app[STORE].put(previous["id"], document)
    return await operations.accepted(request, document, _allocate(request.app[STORE], previous["id"]), status=200)


async def get(request: web.Request) -> web.Response:
    """Answer one compute."""
    return web.json_response(_existing(request))


async def list_(request: web.Request) -> web.Response:
    """Answer every compute of the workspace."""
    return web.json_response({"value": request.app[STORE].children(request.path)})


async def delete(request: web.Request) -> web.Response:
    """Delete a compute; one that runs jobs is not deleted."""
    document = _existing(request)
    if runs := _runs(request.app[STORE], document):
        raise conflict(f"Compute {document['name']} is in use by job {runs[0]['runId']}.")
    document["properties"]["provisioningState"] = "Deleting"
    request.app[STORE].put(document["id"], document)
    return await operations.accepted_delete(request, _remove(request.app[STORE], document))


async def list_nodes(request: web.Request) -> web.Response:
    """Answer the nodes of a cluster."""
    document = _existing(request)
    if document["properties"]["computeType"] != "AmlCompute":
        raise bad_request(f"Compute {document['name']} is no cluster and has no nodes.")
    found = clusters.nodes(document["properties"]["properties"], _runs(request.app[STORE], document))
    return web.json_response({"nodes": found, "nextLink": None})


async def act(request: web.Request) -> web.Response:
    """Start, stop or restart an instance."""
    document, action = _instance(request), request.match_info["action"]
    between, _ = instances.ACTIONS[action]
    _move(request.app[STORE], document["id"], state=between, operation=action)
    return await operations.accepted_delete(request, _finish(request.app[STORE], document["id"], action))


async def enable_sso(request: web.Request) -> web.Response:
    """Remember whether an instance signs its user in."""
    document = _instance(request)
    document["properties"]["properties"]["enableSSO"] = bool(request[BODY].get("enableSSO"))
    request.app[STORE].put(document["id"], document)
    return web.json_response({})


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Bring to its end what a killed emulator had begun."""
    store = app[STORE]
    for known in store.children(WORKSPACES):
        for document in store.children(f"{known['id']}/computes"):
            operations.spawn(app, _resume(store, document))
    yield


def _existing(request: web.Request) -> Document:
    document = request.app[STORE].get(_COMPUTE.format(**request.match_info))
    if document is None:
        raise not_found(f"Compute {request.match_info['name']}")
    return document


def _instance(request: web.Request) -> Document:
    document = _existing(request)
    if document["properties"]["computeType"] != "ComputeInstance":
        raise bad_request(f"Compute {document['name']} is no compute instance.")
    return document


def _document(id_: str, body: Document, settled: dict[str, Any], previous: Document | None) -> Document:
    now, given = datetime.now(UTC).isoformat(), body["properties"]
    properties = {
        "computeType": given["computeType"],
        "computeLocation": given.get("computeLocation") or body.get("location") or LOCATION,
        "description": given.get("description"),
        "provisioningState": "Updating" if previous else "Creating",
        "provisioningErrors": None,
        "createdOn": previous["properties"]["createdOn"] if previous else now,
        "modifiedOn": now,
        "resourceId": None,
        "isAttachedCompute": False,
        "disableLocalAuth": bool(given.get("disableLocalAuth")),
        "properties": settled,
    }
    return arm.resource(
        id_,
        type="workspaces/computes",
        properties=properties,
        tags=body.get("tags"),
        previous=previous,
        location=body.get("location") or LOCATION,
        identity=_identity(id_, body.get("identity")),
    )


def _identity(id_: str, given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the identity with the ids that Entra would have given it."""
    if not given or given.get("type") in (None, "None"):
        return None
    users = given.get("userAssignedIdentities") or {}
    known = {user: {"principalId": _guid(user), "clientId": _guid(f"{user}/client")} for user in users}
    own = {"principalId": _guid(id_), "tenantId": TENANT} if "SystemAssigned" in given["type"] else {}
    return {"type": given["type"], **own, "userAssignedIdentities": known or None}


def _guid(text: str) -> str:
    return str(uuid5(NAMESPACE_URL, text.lower()))


def _take_name(store: Store, document: Document) -> None:
    index = f"{_INSTANCES}/{document['name']}"
    known = store.get(index)
    if known and known["id"].lower() != document["id"].lower() and store.get(known["id"]) is not None:
        raise conflict(f"The name {document['name']} of a compute instance is taken in region {LOCATION}.")
    store.put(index, {"id": document["id"]})


def _runs(store: Store, document: Document) -> list[Document]:
    """Return the jobs that run on a compute."""
    workspace = document["id"].rpartition("/computes/")[0].lower()
    return [
        run
        for run in history.active(store)
        if run["workspace"].lower() == workspace
        and (run.get("compute") or "").rpartition("/")[2].lower() == document["name"].lower()
    ]


async def _allocate(store: Store, id_: str) -> None:
    """Give a compute its machines, or leave it Failed and say why."""
    await asyncio.sleep(_ALLOCATION_S)
    document = store.get(id_)
    if document is None:
        return
    properties = document["properties"]
    try:
        quota.check(store, document)
    except ArmError as error:
        properties |= {"provisioningState": "Failed", "provisioningErrors": [error.body()]}
        store.put(id_, document)
        raise
    if properties["computeType"] == "AmlCompute":
        properties["properties"] = clusters.allocate(properties["properties"])
    elif properties["properties"]["state"] == "Creating":
        properties["properties"] = instances.moved(properties["properties"], state="Running", operation="create")
    properties["provisioningState"] = "Succeeded"
    store.put(id_, document)


def _move(store: Store, id_: str, *, state: str, operation: str) -> None:
    document = store.get(id_)
    if document is not None:
        moved = instances.moved(document["properties"]["properties"], state=state, operation=operation)
        document["properties"]["properties"] = moved
        store.put(id_, document)


async def _finish(store: Store, id_: str, action: str) -> None:
    await asyncio.sleep(_ALLOCATION_S)
    _move(store, id_, state=instances.ACTIONS[action][1], operation=action)


async def _resume(store: Store, document: Document) -> None:
    properties = document["properties"]
    if properties["provisioningState"] == "Deleting":
        await _remove(store, document)
    elif properties["provisioningState"] in ("Creating", "Updating"):
        with suppress(ArmError):  # the compute itself says why it failed
            await _allocate(store, document["id"])
    for action, (between, _) in instances.ACTIONS.items():
        if properties["properties"].get("state") == between:
            await _finish(store, document["id"], action)


async def _remove(store: Store, document: Document) -> None:
    store.delete(document["id"])
    if document["properties"]["computeType"] == "ComputeInstance":
        store.delete(f"{_INSTANCES}/{document['name']}")


routes: tuple[web.RouteDef, ...] = (
    web.put(_COMPUTE, create_or_update),
    web.patch(_COMPUTE, update),
    web.get(_COMPUTE, get),
    web.get(_COMPUTES, list_),
    web.delete(_COMPUTE, delete),
    web.post(_COMPUTE + "/listNodes", list_nodes),
    web.post(_COMPUTE + "/{action:start|stop|restart}", act),
    web.post(_COMPUTE + "/enableSso", enable_sso),
)
