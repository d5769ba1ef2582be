"""Deployments of ARM templates, as far as the SDK creates workspaces with them, and the resources beside those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator import arm, workspace
from mlops.emulator.bodies import BODY
from mlops.emulator.context import STORE, SUBSCRIPTION, WORKSPACE
from mlops.emulator.errors import ArmError, not_found
from mlops.emulator.home import LOCATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.store import Document

# The template's own names: of the resource, the prefix of its parameters, and its property in the workspace.
_DEPENDENCIES = {
    "storageAccount": "Microsoft.Storage/storageAccounts",
    "keyVault": "Microsoft.KeyVault/vaults",
    "applicationInsights": "Microsoft.Insights/components",
    "containerRegistry": "Microsoft.ContainerRegistry/registries",
}
_PROPERTIES = {
    "friendlyName": "friendlyName",
    "description": "description",
    "publicNetworkAccess": "publicNetworkAccess",
    "imageBuildCompute": "imageBuildCompute",
    "primaryUserAssignedIdentity": "primaryUserAssignedIdentity",
    "systemDatastoresAuthMode": "systemDatastoresAuthMode",
}
# The SDK writes `resourcegroups` here and `resourceGroups` everywhere else; ARM takes both.
_GROUP = SUBSCRIPTION + "/{groups:resource[gG]roups}/{group}"
_DEPLOYMENT = _GROUP + "/providers/Microsoft.Resources/deployments/{deployment}"
_RESOURCE = _GROUP + "/providers/{namespace:Microsoft[.](Storage|KeyVault|Insights|ContainerRegistry)}/{kind}/{name}"


async def create_or_update(request: web.Request) -> web.Response:
    """Create the workspace that the template's parameters describe.

    Faked: the template itself is not evaluated, and nothing takes time.
    """
    given = request[BODY].get("properties") or {}
    parameters = {name: _value(parameter) for name, parameter in (given.get("parameters") or {}).items()}
    if not parameters.get("workspaceName"):
        text = "The emulator deploys templates of workspaces only: the parameter workspaceName is missing."
        raise ArmError(400, "InvalidTemplate", text)
    id_ = WORKSPACE.format(**request.match_info, workspace=parameters["workspaceName"])
    created = workspace.put(request.app, id_, _body(id_, parameters))
    document = _document(request.path, created)
    request.app[STORE].put(_key(request.match_info), document)
    return web.json_response(document, status=201)


async def get(request: web.Request) -> web.Response:
    """Answer a deployment."""
    return web.json_response(_existing(request))


async def operations(request: web.Request) -> web.Response:
    """Answer what a deployment did, which the SDK prints."""
    target = _existing(request)["properties"]["outputResources"][0]["id"]
    properties = {
        "provisioningOperation": "Create",
        "provisioningState": "Succeeded",
        "duration": "PT0S",
        "statusCode": "Created",
        "targetResource": {
            "id": target,
            "resourceName": target.rpartition("/")[2],
            "resourceType": "Microsoft.MachineLearningServices/workspaces",
        },
    }
    return web.json_response({"value": [{"id": f"{request.path}/0", "operationId": "0", "properties": properties}]})


async def get_dependency(request: web.Request) -> web.Response:
    """Answer that something a workspace depends on exists: it does, as soon as a workspace names it."""
    info = request.match_info
    document = arm.resource(request.path, type="", properties={"provisioningState": "Succeeded"}, location=LOCATION)
    return web.json_response({**document, "type": f"{info['namespace']}/{info['kind']}"})


async def delete_dependency(_: web.Request) -> web.Response:
    """Answer that something a workspace depends on is gone. Faked: the one storage account stays."""
    return web.Response()


def _value(parameter: Any) -> Any:
    return parameter.get("value") if isinstance(parameter, dict) else None


def _body(id_: str, parameters: Mapping[str, Any]) -> Document:
    properties = {name: parameters[given] for name, given in _PROPERTIES.items() if parameters.get(given)}
    for name, kind in _DEPENDENCIES.items():
        if parameters.get(f"{name}Option", "new") != "none" and parameters.get(f"{name}Name"):
            properties[name] = _dependency(id_, name, kind, parameters)
    return {
        "properties": {**properties, "hbiWorkspace": parameters.get("confidential_data") == "true"},
        "tags": parameters.get("tagValues"),
        "kind": (parameters.get("kind") or "Default").capitalize(),
        "location": parameters.get("location") or LOCATION,
        "identity": parameters.get("identity") or {"type": "SystemAssigned"},
    }


def _dependency(id_: str, name: str, kind: str, parameters: Mapping[str, Any]) -> str:
    _, _, subscription, _, group, *_ = id_.split("/")
    subscription = parameters.get(f"{name}SubscriptionId") or subscription
    group = parameters.get(f"{name}ResourceGroupName") or group
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{parameters[f'{name}Name']}"


def _document(id_: str, created: Document) -> Document:
    properties = {
        "provisioningState": "Succeeded",
        "mode": "Incremental",
        "duration": "PT0S",
        "timestamp": created["systemData"]["lastModifiedAt"],
        "outputResources": [{"id": created["id"]}],
    }
    document = arm.resource(id_, type="deployments", properties=properties)
    return {**document, "type": "Microsoft.Resources/deployments"}


def _key(info: Mapping[str, str]) -> str:
    return f"/_emulator/deployments/{info['subscription']}/{info['group']}/{info['deployment']}"


def _existing(request: web.Request) -> Document:
    document = request.app[STORE].get(_key(request.match_info))
    if document is None:
        raise not_found(f"Deployment {request.match_info['deployment']}")
    return document


routes: tuple[web.RouteDef, ...] = (
    web.put(_DEPLOYMENT, create_or_update),
    web.get(_DEPLOYMENT, get),
    web.get(_GROUP + "/deployments/{deployment}/operations", operations),
    web.get(_RESOURCE, get_dependency),
    web.delete(_RESOURCE, delete_dependency),
)
