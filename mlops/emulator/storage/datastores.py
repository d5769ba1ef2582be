"""Datastores: names for containers, of the emulator's own storage account or of others, and the secrets to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.bodies import BODY
from mlops.emulator.context import HOME, STORE, WORKSPACE
from mlops.emulator.errors import bad_request, not_found
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from mlops.emulator.home import Home
    from mlops.emulator.store import Document, Store

DEFAULT = "workspaceblobstore"

_DATASTORES = WORKSPACE + "/datastores"
_NAME = re.compile(r"[a-z0-9_]{1,255}")
_SECRETS = "/_emulator/secrets"
_FIELDS = {
    "AzureBlob": ("accountName", "containerName"),
    "AzureFile": ("accountName", "fileShareName"),
    "AzureDataLakeGen2": ("accountName", "filesystem"),
    "AzureDataLakeGen1": ("storeName",),
    "OneLake": ("oneLakeWorkspaceName",),
}


def create_defaults(app: web.Application, workspace: Document) -> None:
    """Make the four datastores with which a workspace is born, and their containers."""
    guid = workspace["properties"]["workspaceId"]
    by_identity = workspace["properties"].get("systemDatastoresAuthMode") == "identity"
    credentials = {"credentialsType": "None" if by_identity else "AccountKey"}
    blob, file = f"azureml-blobstore-{guid}", f"azureml-filestore-{guid}"
    stores = {
        DEFAULT: {"datastoreType": "AzureBlob", "containerName": blob},
        "workspaceartifactstore": {"datastoreType": "AzureBlob", "containerName": account.ARTIFACTS},
        # Faked: nothing serves these shares.
        "workspacefilestore": {"datastoreType": "AzureFile", "fileShareName": file},
        "workspaceworkingdirectory": {"datastoreType": "AzureFile", "fileShareName": f"code-{guid}"},
    }
    for container in (blob, account.ARTIFACTS):
        (app[HOME].blobs / container).mkdir(parents=True, exist_ok=True)
    for name, properties in stores.items():
        given = {**properties, "accountName": account.ACCOUNT, "credentials": credentials}
        _put(app[STORE], f"{workspace['id']}/datastores/{name}", given, is_default=name == DEFAULT)


def container(store: Store, workspace: str, name: str) -> str:
    """Return the container of the emulator's own account that a datastore of a workspace (an ARM id) names.

    Raise the 404 for an unknown datastore, and the 400 for one that leads elsewhere.
    """
    document = store.get(f"{workspace}/datastores/{name}")
    if document is None:
        raise not_found(f"Datastore {name}")
    properties = document["properties"]
    if properties["datastoreType"] != "AzureBlob" or not _is_own(properties["accountName"]):
        raise bad_request(f"Datastore {name} leads to a storage account that is not of this emulator.")
    return str(properties["containerName"])


async def create_or_update(request: web.Request) -> web.Response:
    """Keep a datastore; its secrets are kept apart and never shown with it."""
    given = request[BODY].get("properties") or {}
    existed = request.app[STORE].get(request.path) is not None
    _check(request.match_info["name"], given)
    credentials = dict(given.get("credentials") or {"credentialsType": "None"})
    secrets = credentials.pop("secrets", None)
    if secrets:
        request.app[STORE].put(_SECRETS + request.path, secrets)
    document = _put(request.app[STORE], request.path, {**given, "credentials": credentials})
    return web.json_response(_public(request.app[HOME], document), status=200 if existed else 201)


async def list_(request: web.Request) -> web.Response:
    """Answer the datastores, or with `isDefault=true` the default one."""
    default_only = request.query.get("isDefault", "").lower() == "true"
    found = [_public(request.app[HOME], each) for each in request.app[STORE].children(request.path)]
    return web.json_response({"value": [each for each in found if each["properties"]["isDefault"] or not default_only]})


async def get(request: web.Request) -> web.Response:
    """Answer one datastore."""
    return web.json_response(_public(request.app[HOME], _existing(request)))


async def delete(request: web.Request) -> web.Response:
    """Forget a datastore; what it leads to stays."""
    document = request.app[STORE].get(request.path)
    if document is None:
        return web.Response(status=204)
    if document["properties"]["isDefault"]:
        raise bad_request("The default datastore of a workspace cannot be deleted.")
    for gone in (_SECRETS + request.path, request.path):
        request.app[STORE].delete(gone)
    return web.Response()


async def list_secrets(request: web.Request) -> web.Response:
    """Answer what was given to open the container; for the emulator's own the account's key."""
    properties = _existing(request)["properties"]
    kept = request.app[STORE].get(_SECRETS + request.path.removesuffix("/listSecrets"))
    if kept is not None:
        return web.json_response(kept)
    if not _is_own(properties.get("accountName", "")) or properties["credentials"]["credentialsType"] == "None":
        raise bad_request(f"Datastore {request.match_info['name']} has no secrets.")
    # Not a signature, though the SDK says that it wants one: it signs the addresses of logs with what it is given.
    return web.json_response({"secretsType": "AccountKey", "key": account.key(request.app[HOME])})


def _check(name: str, properties: dict[str, Any]) -> None:
    if not _NAME.fullmatch(name):
        raise bad_request(f"Datastore name {name} is invalid: use lowercase letters, digits and '_'.")
    kind = properties.get("datastoreType")
    if kind not in _FIELDS:
        raise bad_request(f"The datastoreType {kind} is not one of {', '.join(_FIELDS)}.")
    if missing := [field for field in _FIELDS[kind] if not properties.get(field)]:
        raise bad_request(f"A datastore of type {kind} needs {' and '.join(missing)}.")


def _put(store: Store, id_: str, given: dict[str, Any], *, is_default: bool = False) -> Document:
    previous = store.get(id_)
    endpoint = {"endpoint": "localhost", "protocol": "https"}
    defaults: dict[str, Any] = {**endpoint, "description": None, "tags": {}, "properties": {}}
    properties = defaults | {key: value for key, value in given.items() if value is not None}
    properties["isDefault"] = previous["properties"]["isDefault"] if previous else is_default
    return store.put(id_, arm.resource(id_, type="workspaces/datastores", properties=properties, previous=previous))


def _public(home: Home, document: Document) -> Document:
    properties = document["properties"]
    if not _is_own(properties.get("accountName", "")):
        return document
    # The SDK makes https://{accountName}.blob.{suffix}; this way the host of that URL is the emulator.
    return {**document, "properties": {**properties, "accountName": account.name(home)}}


def _is_own(name: str) -> bool:
    return name.rpartition("/")[2] == account.ACCOUNT


def _existing(request: web.Request) -> Document:
    id_ = (_DATASTORES + "/{name}").format(**request.match_info)
    document = request.app[STORE].get(id_)
    if document is None:
        raise not_found(f"Datastore {request.match_info['name']}")
    return document


routes: tuple[web.RouteDef, ...] = (
    web.get(_DATASTORES, list_),
    web.get(_DATASTORES + "/{name}", get),
    web.put(_DATASTORES + "/{name}", create_or_update),
    web.delete(_DATASTORES + "/{name}", delete),
    web.post(_DATASTORES + "/{name}/listSecrets", list_secrets),
)
