"""The datastores every workspace has: a name for a container of the storage account, and the key to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.context import HOME, WORKSPACE
from mlops.emulator.errors import not_found
from mlops.emulator.storage.account import ACCOUNT, CONTAINERS, SAS

if TYPE_CHECKING:
    from mlops.emulator.store import Document

_DATASTORES = WORKSPACE + "/datastores"
_DEFAULT = "workspaceblobstore"


async def list_(request: web.Request) -> web.Response:
    """Answer the datastores, or with `isDefault=true` the default one."""
    default_only = request.query.get("isDefault", "").lower() == "true"
    names = [_DEFAULT] if default_only else list(CONTAINERS)
    return web.json_response({"value": [_document(request, name) for name in names]})


async def get(request: web.Request) -> web.Response:
    """Answer one datastore."""
    return web.json_response(_document(request, request.match_info["name"]))


async def list_secrets(request: web.Request) -> web.Response:
    """Answer a shared access signature for the container."""
    _document(request, request.match_info["name"])
    return web.json_response({"secretsType": "Sas", "sasToken": SAS})


def _document(request: web.Request, name: str) -> Document:
    if name not in CONTAINERS:
        raise not_found(f"Datastore {name}")
    properties = {
        "datastoreType": "AzureBlob",
        # The SDK makes https://{accountName}.blob.{suffix}; this way the host of that URL is the emulator.
        "accountName": f"127.0.0.1:{request.app[HOME].port}/{ACCOUNT}",
        "containerName": CONTAINERS[name],
        "endpoint": "localhost",
        "protocol": "https",
        "isDefault": name == _DEFAULT,
        "credentials": {"credentialsType": "AccountKey"},
        "description": None,
        "tags": {},
    }
    where = {key: value for key, value in request.match_info.items() if key != "name"}
    return arm.resource(_DATASTORES.format(**where) + f"/{name}", type="workspaces/datastores", properties=properties)


routes: tuple[web.RouteDef, ...] = (
    web.get(_DATASTORES, list_),
    web.get(_DATASTORES + "/{name}", get),
    web.post(_DATASTORES + "/{name}/listSecrets", list_secrets),
)
