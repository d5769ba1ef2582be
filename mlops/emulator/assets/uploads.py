"""Where the SDK uploads the files of an asset to, and downloads those of a registry's from."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from aiohttp import web

from mlops.emulator.assets import paths
from mlops.emulator.bodies import BODY
from mlops.emulator.context import HOME, REGISTRY, STORE, WORKSPACE
from mlops.emulator.errors import ArmError
from mlops.emulator.home import REGISTRY as MICROSOFTS
from mlops.emulator.registry import catalog
from mlops.emulator.registry.registries import refuse_writes
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from mlops.emulator.store import Document

_PERMISSIONS = "racwl"


async def start_pending_upload(request: web.Request) -> web.Response:
    """Answer a new container for the files of a version in a workspace."""
    reference, container = _new_container(request.app)
    answer = {"pendingUploadId": container, "pendingUploadType": "TemporaryBlobReference"}
    return web.json_response({"blobReferenceForConsumption": reference, **answer})


async def temporary_reference(request: web.Request) -> web.Response:
    """Answer a new container for the files of a version in a registry; the 409 tells the SDK to upload nothing."""
    refuse_writes(request.match_info["registry"])
    asset = request[BODY]["assetId"]
    if request.app[STORE].get(asset) is not None:
        raise ArmError(409, "UserError", f"The asset {asset} exists already.")
    reference, _ = _new_container(request.app)
    return web.json_response({"blobReferenceForConsumption": reference})


async def reference(request: web.Request) -> web.Response:
    """Answer an address from which the files of a version in a registry can be read."""
    body, home = request[BODY], request.app[HOME]
    folder = paths.local_path(request.app[STORE], home, body["assetId"])
    if request.match_info["registry"].lower() == MICROSOFTS:
        await catalog.model_folder(request.app, request.match_info["name"], request.match_info["version"])
    container = folder.relative_to(home.blobs.resolve()).parts[0]
    # The SDK takes what follows the first segment of a file's address for its name in the container, which here
    # is in the second segment: so this is the address of the account, with a signature for the one container.
    uri = f"{home.url}/{account.HOST}"
    signature = account.sas(home, container, permissions="rl")
    return web.json_response({"blobReferenceForConsumption": _reference(body.get("blobUri") or uri, uri, signature)})


def _new_container(app: web.Application) -> tuple[Document, str]:
    container, home = f"upload-{uuid4()}", app[HOME]
    (home.blobs / container).mkdir()
    uri = account.url(home, container)
    return _reference(uri, uri, account.sas(home, container, permissions=_PERMISSIONS)), container


def _reference(blob_uri: str, uri: str, signature: str) -> Document:
    return {
        "blobUri": blob_uri,
        "storageAccountArmId": None,
        "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{signature}"},
    }


_VERSION = "/{name}/versions/{version}"
routes: tuple[web.RouteDef, ...] = (
    web.post(
        WORKSPACE + "/{kind:codes|data|models|environments|components}" + _VERSION + "/startPendingUpload",
        start_pending_upload,
    ),
    web.put(REGISTRY + "/tempdatarefs" + _VERSION, temporary_reference),
    web.post(REGISTRY + "/datarefs" + _VERSION, reference),
)
