"""Workspaces: one exists from the start, others are made and deleted; nothing of one is seen in another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from mlops.emulator import arm, operations
from mlops.emulator.bodies import BODY
from mlops.emulator.context import GROUP, HOME, STORE, SUBSCRIPTION, WORKSPACE
from mlops.emulator.errors import bad_request
from mlops.emulator.home import LOCATION, RESOURCE_GROUP, TENANT
from mlops.emulator.home import SUBSCRIPTION as DEFAULT_SUBSCRIPTION
from mlops.emulator.home import WORKSPACE as DEFAULT_NAME
from mlops.emulator.jobs import history, runner
from mlops.emulator.online import provisioning
from mlops.emulator.scope import WORKSPACES, check_workspace
from mlops.emulator.storage import account, datastores
from mlops.emulator.tracking import gateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.typedefs import Handler

    from mlops.emulator.store import Document, Store

_WORKSPACES = "/providers/Microsoft.MachineLearningServices/workspaces"
_DEPENDENCIES = {
    "storageAccount": "Microsoft.Storage/storageAccounts",
    "keyVault": "Microsoft.KeyVault/vaults",
    "applicationInsights": "Microsoft.Insights/components",
}
# What a workspace is born with and keeps.
_FIXED = ("workspaceId", "tenantId", "storageAccount", "keyVault", "hbiWorkspace")


@web.middleware
async def adopt(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Make the workspace that a request names in another subscription than the emulator's.

    A program written for Azure has its own ids in it, and must run unmodified; a name misspelt in the emulator's
    subscription is not found.
    """
    info = request.match_info
    if "workspace" in info and info["subscription"] != DEFAULT_SUBSCRIPTION:
        id_ = WORKSPACE.format(**info)
        if request.app[STORE].get(id_) is None and arm.is_name(info["workspace"]):
            put(request.app, id_, {})
    return await handler(request)


async def create_or_update(request: web.Request) -> web.Response:
    """Create a workspace as it is described, or replace what can change in it."""
    existed = request.app[STORE].get(request.path) is not None
    document = put(request.app, request.path, request[BODY])
    return await operations.accepted(request, document, _nothing(), status=200 if existed else 201)


async def update(request: web.Request) -> web.Response:
    """Change what the request names and keep the rest."""
    check_workspace(request)
    document = put(request.app, request.path, request[BODY])
    return await operations.accepted(request, document, _nothing(), status=200)


async def get(request: web.Request) -> web.Response:
    """Answer the workspace."""
    check_workspace(request)
    return web.json_response(_public(request.app, request.app[STORE].get(request.path) or {}))


async def list_(request: web.Request) -> web.Response:
    """Answer the workspaces of a resource group, or of all groups of a subscription."""
    prefix = f"{request.path.removesuffix(_WORKSPACES)}/".lower()
    found = [each for each in _all(request.app[STORE]) if each["id"].lower().startswith(prefix)]
    return web.json_response({"value": [_public(request.app, each) for each in found]})


async def delete(request: web.Request) -> web.Response:
    """Delete a workspace with its jobs, endpoints and assets; its containers stay, as the storage account does."""
    check_workspace(request)
    return await operations.accepted_delete(request, _remove(request.app, request.path))


async def list_keys(request: web.Request) -> web.Response:
    """Answer the keys of what the workspace depends on."""
    document = request.app[STORE].get(WORKSPACE.format(**request.match_info)) or {}
    keys = {
        "userStorageKey": account.key(request.app[HOME]),
        "userStorageResourceId": document["properties"]["storageAccount"],
        "appInsightsInstrumentationKey": document["properties"]["workspaceId"],
        "containerRegistryCredentials": None,
        "notebookAccessKeys": None,
    }
    return web.json_response(keys)


async def resource_group(request: web.Request) -> web.Response:
    """Answer that the resource group exists: every one does."""
    document = arm.resource(request.path, type="resourceGroups", properties={"provisioningState": "Succeeded"})
    return web.json_response({**document, "type": "Microsoft.Resources/resourceGroups", "location": LOCATION})


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Make the workspace that `mlops emulator env` names."""
    id_ = WORKSPACE.format(subscription=DEFAULT_SUBSCRIPTION, group=RESOURCE_GROUP, workspace=DEFAULT_NAME)
    if app[STORE].get(id_) is None:
        put(app, id_, {"properties": {"description": "Azure ML on this machine."}})
    yield


def put(app: web.Application, id_: str, body: Document) -> Document:
    """Store a workspace, with its containers and datastores when it is new; raise the 400 for a bad name."""
    name, previous = id_.rpartition("/")[2], app[STORE].get(id_)
    if not arm.is_name(name):
        raise bad_request(f"Workspace name {name} is invalid: 3 to 33 letters, digits, '-' and '_', no sign first.")
    old = previous["properties"] if previous else _born(id_)
    given = {key: value for key, value in (body.get("properties") or {}).items() if value is not None}
    fixed = {key: old[key] for key in _FIXED if previous}
    defaults: Document = previous or {"tags": None, "kind": "Default", "location": LOCATION, "identity": None}
    kept = {key: body.get(key) or defaults.get(key) for key in ("kind", "location", "identity")}
    document = arm.resource(
        id_,
        type="workspaces",
        properties={**old, **given, **fixed},
        tags=body["tags"] if body.get("tags") is not None else defaults["tags"],
        previous=previous,
        **kept,
    )
    if previous is None:
        datastores.create_defaults(app, document)
        app[STORE].put(f"{WORKSPACES}/{document['properties']['workspaceId']}", {"id": id_})
    app[STORE].put(id_, document)  # last, so that a workspace that exists is whole
    return _public(app, document)


def find_by_guid(store: Store, guid: str) -> str | None:
    """Return the ARM id of the workspace with this `workspaceId`, or None."""
    known = store.get(f"{WORKSPACES}/{guid}")
    return known["id"] if known else None


def _all(store: Store) -> list[Document]:
    found = (store.get(known["id"]) for known in store.children(WORKSPACES))
    return [document for document in found if document]


def _born(id_: str) -> dict[str, Any]:
    guid, resources = str(uuid4()), id_.partition("/Microsoft.MachineLearningServices/")[0]
    name = f"{id_.rpartition('/')[2]}{guid[:8]}".replace("-", "").replace("_", "").lower()[-24:]
    return {
        "friendlyName": id_.rpartition("/")[2],
        "description": None,
        "workspaceId": guid,
        "tenantId": TENANT,
        **{key: f"{resources}/{kind}/{name}" for key, kind in _DEPENDENCIES.items()},
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
        "hbiWorkspace": False,
    }


def _public(app: web.Application, document: Document) -> Document:
    # These two depend on the port of the day.
    addresses = {
        "discoveryUrl": f"{app[HOME].url}/discovery",
        "mlFlowTrackingUri": gateway.uri(app[HOME], document["id"]),
    }
    return {**document, "properties": document["properties"] | addresses}


async def _nothing() -> None:
    """Nothing is bought for a workspace: it is there at once."""


async def _remove(app: web.Application, id_: str) -> None:
    document = app[STORE].get(id_)
    if document is None:
        return
    for run in history.active(app[STORE]):
        if run["workspace"].lower() == id_.lower():
            await runner.cancel(app, run)
    endpoints = app[STORE].children(f"{id_}/onlineEndpoints")
    await asyncio.gather(*(provisioning.remove_endpoint(app, endpoint) for endpoint in endpoints))
    for gone in (f"{WORKSPACES}/{document['properties']['workspaceId']}", f"/_emulator{id_}", id_):
        app[STORE].delete(gone)


routes: tuple[web.RouteDef, ...] = (
    web.put(WORKSPACE, create_or_update),
    web.patch(WORKSPACE, update),
    web.get(WORKSPACE, get),
    web.delete(WORKSPACE, delete),
    web.post(WORKSPACE + "/listKeys", list_keys),
    web.get(SUBSCRIPTION + _WORKSPACES, list_),
    web.get(GROUP + _WORKSPACES, list_),
    web.get(SUBSCRIPTION + "/{groups:resource[gG]roups}/{group}", resource_group),
)
