"""The registries themselves: Microsoft's, which are built in, and those that one creates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import arm, operations
from mlops.emulator.bodies import BODY
from mlops.emulator.context import GROUP, HOME, STORE, SUBSCRIPTION
from mlops.emulator.errors import ArmError, bad_request, conflict, not_found
from mlops.emulator.home import LOCATION, REGISTRY
from mlops.emulator.scope import REGISTRIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlops.emulator.store import Document, Store

_PATH = "/providers/Microsoft.MachineLearningServices/registries"
_REGISTRY = GROUP + _PATH + "/{name}"
_MICROSOFTS = (REGISTRY, "azureml-openai-oss")
# Microsoft's own, so that they are in nobody's list.
_MICROSOFT = {"subscription": "99999999-9999-9999-9999-999999999999", "group": "azureml"}


async def create_or_update(request: web.Request) -> web.Response:
    """Create a registry, or change its tags and regions; its name is taken for everyone."""
    store, name, body = request.app[STORE], request.match_info["name"], request[BODY]
    if not arm.is_name(name):
        raise bad_request(f"Registry name {name} is invalid: 3 to 33 letters, digits, '-' and '_', no sign first.")
    previous, known = store.get(request.path), store.get(f"{REGISTRIES}/{name}")
    if known and previous is None:
        raise conflict(f"Registry name {name} is taken; registry names are unique.")
    document = _document(request.app, request.path, body, previous)
    _put(store, document)
    return await operations.accepted(request, document, _provision(), status=200 if previous else 201)


async def get(request: web.Request) -> web.Response:
    """Answer one registry."""
    return web.json_response(_existing(request))


async def list_(request: web.Request) -> web.Response:
    """Answer the registries of a resource group, or of all groups of a subscription."""
    prefix = f"{request.path.removesuffix(_PATH)}/".lower()
    return web.json_response(
        {"value": [each for each in _all(request.app[STORE]) if each["id"].lower().startswith(prefix)]}
    )


async def delete(request: web.Request) -> web.Response:
    """Delete a registry with everything in it."""
    document = _existing(request)
    return await operations.accepted_delete(request, _remove(request.app, document))


async def discovery(request: web.Request) -> web.Response:
    """Answer where the data plane of a registry is: here."""
    name = request.match_info["name"]
    known = request.app[STORE].get(f"{REGISTRIES}/{name}")
    if known is None:
        raise not_found(f"Registry {name}")
    url, (_, _, subscription, _, group, *_) = request.app[HOME].url, known["id"].split("/")
    return web.json_response(
        {
            "registryName": known["name"],
            "primaryRegion": LOCATION,
            "primaryRegionResourceProviderUri": f"{url}/",
            "resourceGroup": group,
            "subscriptionId": subscription,
            "registryFqdns": {LOCATION: {"fqdns": [{"resourceProviderUri": f"{url}/"}]}},
        }
    )


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Make the registries that everyone knows."""
    for name in _MICROSOFTS:
        id_ = _REGISTRY.format(**_MICROSOFT, name=name)
        _put(app[STORE], _document(app, id_, {}, app[STORE].get(id_)))
    yield


def refuse_writes(name: str) -> None:
    """Raise the 403 of a registry that belongs to somebody else."""
    if name.lower() in _MICROSOFTS:
        raise ArmError(403, "AuthorizationFailed", f"You have no permission to write to registry {name}.")


def _document(app: web.Application, id_: str, body: Document, previous: Document | None) -> Document:
    name = id_.rpartition("/")[2]
    given = {key: value for key, value in (body.get("properties") or {}).items() if value is not None}
    properties = {
        "publicNetworkAccess": "Enabled",
        "regionDetails": [{"location": LOCATION}],
        "managedResourceGroup": {
            "resourceId": f"{id_.partition('/resourceGroups/')[0]}/resourceGroups/azureml-rg-{name}"
        },
        "intellectualPropertyPublisher": None,
        **given,
        "discoveryUrl": f"{app[HOME].url}/registrymanagement/v1.0/registries/{name}/discovery",
        "mlFlowRegistryUri": f"azureml://127.0.0.1:{app[HOME].port}/mlflow/v1.0{id_}",
        "provisioningState": "Succeeded",
    }
    return arm.resource(
        id_,
        type="registries",
        properties=properties,
        tags=body.get("tags"),
        previous=previous,
        location=body.get("location") or LOCATION,
        identity=body.get("identity"),
    )


def _put(store: Store, document: Document) -> None:
    store.put(document["id"], document)
    store.put(f"{REGISTRIES}/{document['name']}", {"id": document["id"], "name": document["name"]})


def _all(store: Store) -> list[Document]:
    found = (store.get(known["id"]) for known in store.children(REGISTRIES))
    return [document for document in found if document]


def _existing(request: web.Request) -> Document:
    document = request.app[STORE].get(request.path)
    if document is None:
        raise not_found(f"Registry {request.match_info['name']}")
    return document


async def _provision() -> None:
    """Nothing is bought for a registry: it is there at once."""


async def _remove(app: web.Application, document: Document) -> None:
    name = document["name"]
    for gone in (f"azureml://registries/{name}", f"{REGISTRIES}/{name}", document["id"]):
        app[STORE].delete(gone)


routes: tuple[web.RouteDef, ...] = (
    web.put(_REGISTRY, create_or_update),
    web.get(_REGISTRY, get),
    web.delete(_REGISTRY, delete),
    web.get(GROUP + _PATH, list_),
    web.get(SUBSCRIPTION + _PATH, list_),
    web.get("/registrymanagement/v1.0/registries/{name}/discovery", discovery),
)
