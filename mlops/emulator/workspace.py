"""The workspace: whichever is asked for exists, since an emulator has but one of everything around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.context import GROUP, HOME, SUBSCRIPTION, WORKSPACE
from mlops.emulator.home import LOCATION, TENANT
from mlops.emulator.home import WORKSPACE as DEFAULT_NAME
from mlops.emulator.jobs import tracking
from mlops.emulator.storage.account import ACCOUNT

if TYPE_CHECKING:
    from mlops.emulator.store import Document

_WORKSPACES = "/providers/Microsoft.MachineLearningServices/workspaces"
_WORKSPACE_ID = "33333333-3333-3333-3333-333333333333"


async def get(request: web.Request) -> web.Response:
    """Answer the workspace of the name that was asked for."""
    return web.json_response(await _document(request, **request.match_info))


async def list_(request: web.Request) -> web.Response:
    """Answer the one workspace."""
    names = {"group": "local", "workspace": DEFAULT_NAME, **request.match_info}
    return web.json_response({"value": [await _document(request, **names)]})


async def resource_group(request: web.Request) -> web.Response:
    """Answer that the resource group exists."""
    document = arm.resource(request.path, type="resourceGroups", properties={"provisioningState": "Succeeded"})
    return web.json_response({**document, "type": "Microsoft.Resources/resourceGroups", "location": LOCATION})


async def _document(request: web.Request, *, subscription: str, group: str, workspace: str) -> Document:
    url = request.app[HOME].url
    resources = GROUP.format(subscription=subscription, group=group) + "/providers"
    properties = {
        "friendlyName": workspace,
        "description": "Azure ML on this machine.",
        "workspaceId": _WORKSPACE_ID,
        "tenantId": TENANT,
        "discoveryUrl": f"{url}/discovery",
        "mlFlowTrackingUri": tracking.uri(request.app),
        "storageAccount": f"{resources}/Microsoft.Storage/storageAccounts/{ACCOUNT}",
        "keyVault": f"{resources}/Microsoft.KeyVault/vaults/emulator",
        "applicationInsights": f"{resources}/Microsoft.Insights/components/emulator",
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
        "hbiWorkspace": False,
    }
    id_ = WORKSPACE.format(subscription=subscription, group=group, workspace=workspace)
    return arm.resource(id_, type="workspaces", properties=properties, location=LOCATION, kind="Default")


routes: tuple[web.RouteDef, ...] = (
    web.get(WORKSPACE, get),
    web.get(SUBSCRIPTION + _WORKSPACES, list_),
    web.get(GROUP + _WORKSPACES, list_),
    web.get(GROUP, resource_group),
)
