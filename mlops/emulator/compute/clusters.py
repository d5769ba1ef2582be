"""Compute clusters: named and sized as on Azure, though every job runs on this machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator import arm, operations
from mlops.emulator.compute import sizes
from mlops.emulator.context import STORE, WORKSPACE
from mlops.emulator.errors import ArmError, bad_request, not_found
from mlops.emulator.home import LOCATION

if TYPE_CHECKING:
    from mlops.emulator.store import Document, Store

_COMPUTES = WORKSPACE + "/computes"
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,30}[a-zA-Z0-9]")
_PRIORITIES = {"": "Dedicated", "dedicated": "Dedicated", "lowpriority": "LowPriority"}


async def create_or_update(request: web.Request) -> web.Response:
    """Create or change a cluster; its size can never change."""
    previous = request.app[STORE].get(request.path)
    properties = _cluster(request.match_info["name"], await request.json(), previous)
    document = _document(request, properties, previous)
    request.app[STORE].put(request.path, document)
    work = _provision(request.app[STORE], document)
    return await operations.accepted(request, document, work, status=200 if previous else 201)


async def get(request: web.Request) -> web.Response:
    """Answer one cluster."""
    return web.json_response(_existing(request))


async def list_(request: web.Request) -> web.Response:
    """Answer every cluster."""
    return web.json_response({"value": request.app[STORE].children(request.path)})


async def delete(request: web.Request) -> web.Response:
    """Delete a cluster."""
    _existing(request)
    return await operations.accepted_delete(request, _remove(request.app[STORE], request.path))


def _existing(request: web.Request) -> Document:
    document = request.app[STORE].get(request.path)
    if document is None:
        raise not_found(f"Compute {request.match_info['name']}")
    return document


def _cluster(name: str, body: Document, previous: Document | None) -> dict[str, Any]:
    """Return the properties of a cluster as the service keeps them; raise ArmError for what it refuses."""
    compute = body["properties"]
    if compute["computeType"] != "AmlCompute":
        raise bad_request(f"The emulator knows computeType AmlCompute only, not {compute['computeType']}.")
    if not _NAME.fullmatch(name):
        raise bad_request(f"Compute name {name} is invalid: 2 to 32 letters, digits and dashes, a letter first.")
    wanted = compute["properties"]
    size = _size(wanted["vmSize"])
    if previous and previous["properties"]["properties"]["vmSize"] != size["name"].upper():
        raise bad_request(f"The vmSize of compute {name} cannot be changed; delete it first.")
    scale = _scale(wanted.get("scaleSettings") or {}, size)
    priority = _priority(wanted.get("vmPriority") or "")
    # The service answers sizes in capitals, however they were asked for.
    settled = {"vmSize": size["name"].upper(), "vmPriority": priority, "scaleSettings": scale}
    return {**wanted, **settled, "allocationState": "Steady", "currentNodeCount": 0, "targetNodeCount": 0}


def _size(name: str) -> dict[str, Any]:
    size = sizes.find(name)
    if size is None:
        raise bad_request(f"The specified vmSize {name} is not supported in region {LOCATION}.")
    if "retired" in size:
        raise bad_request(f"The specified vmSize {name} was retired on {size['retired']}; choose another size.")
    return size


def _priority(text: str) -> str:
    priority = _PRIORITIES.get(text.lower().replace("_", ""))
    if priority is None:
        raise bad_request(f"The specified vmPriority {text} is neither Dedicated nor LowPriority.")
    return priority


def _scale(scale: dict[str, Any], size: dict[str, Any]) -> dict[str, Any]:
    least, most = scale.get("minNodeCount") or 0, scale.get("maxNodeCount") or 0
    if not 0 <= least <= most:
        raise bad_request(f"minNodeCount {least} must be at least 0 and at most maxNodeCount {most}.")
    # Azure asks for quota when machines are allocated: at once for the least number of nodes.
    if least * size["vcpus"] > sizes.family_quota():
        text = (
            f"Operation results in exceeding quota limits of {size['family']}. Maximum allowed: "
            f"{sizes.family_quota()}, Current in use: 0, Additional requested: {least * size['vcpus']}."
        )
        raise ArmError(400, "ClusterCoreQuotaReached", text)
    return {"nodeIdleTimeBeforeScaleDown": "PT2M", **scale, "minNodeCount": least, "maxNodeCount": most}


def _document(request: web.Request, cluster: dict[str, Any], previous: Document | None) -> Document:
    now = datetime.now(UTC).isoformat()
    properties = {
        "computeType": "AmlCompute",
        "computeLocation": LOCATION,
        "provisioningState": "Updating" if previous else "Creating",
        "provisioningErrors": None,
        "createdOn": previous["properties"]["createdOn"] if previous else now,
        "modifiedOn": now,
        "resourceId": None,
        "isAttachedCompute": False,
        "properties": cluster,
    }
    return arm.resource(
        request.path, type="workspaces/computes", properties=properties, previous=previous, location=LOCATION
    )


async def _provision(store: Store, document: Document) -> None:
    document["properties"]["provisioningState"] = "Succeeded"
    store.put(document["id"], document)


async def _remove(store: Store, id_: str) -> None:
    store.delete(id_)


routes: tuple[web.RouteDef, ...] = (
    web.put(_COMPUTES + "/{name}", create_or_update),
    web.get(_COMPUTES + "/{name}", get),
    web.get(_COMPUTES, list_),
    web.delete(_COMPUTES + "/{name}", delete),
)
