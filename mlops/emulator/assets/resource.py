"""Codes, data, models, environments and components of the workspace: named, versioned, and never changed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.assets import model_files, versions
from mlops.emulator.context import HOME, STORE, WORKSPACE
from mlops.emulator.errors import ArmError, bad_request, not_found
from mlops.emulator.storage.account import HOST, SAS

if TYPE_CHECKING:
    from mlops.emulator.store import Document

_KIND = WORKSPACE + "/{kind:codes|data|models|environments|components}"
_CONTAINER = _KIND + "/{name}"
_VERSIONS = _CONTAINER + "/versions"
_VERSION = _VERSIONS + "/{version}"

# What the SDK asks for when it means the latest version of a component.
_DEFAULT_VERSIONS = {"azureml_default", "default"}
# What may change in a version; everything else is the asset itself.
_MUTABLE = {"description", "tags", "properties", "isArchived", "stage", "autoDeleteSetting", "flavors", "jobName"}
_MUTABLE_OF_COMPONENTS = {"description", "tags", "display_name", "is_archived", "properties"}
_DEFAULTS: dict[str, Any] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isAnonymous": False,
    "isArchived": False,
}


async def create_or_update(request: web.Request) -> web.Response:
    """Register a version, or change the description, tags and the like of an existing one."""
    kind, given = request.match_info["kind"], await _given(request)
    previous = request.app[STORE].get(request.path)
    if previous:
        _refuse_change(kind, previous["properties"], given)
    elif kind == "models":
        given |= await model_files.describe(request.app, given)
    properties = _DEFAULTS | (previous["properties"] if previous else {}) | given
    document = _document(request, f"workspaces/{kind}/versions", properties, previous)
    _put_container(request, properties)
    request.app[STORE].put(request.path, document)
    return web.json_response(document, status=200 if previous else 201)


async def get(request: web.Request) -> web.Response:
    """Answer one version."""
    parent, _, version = request.path.rpartition("/")
    document = request.app[STORE].get(request.path)
    if document is None and version in _DEFAULT_VERSIONS:
        document = next(iter(request.app[STORE].children(parent)), None)
    if document is None:
        raise _missing(request)
    return web.json_response(document)


async def list_(request: web.Request) -> web.Response:
    """Answer the versions of one name, youngest first unless asked otherwise."""
    found = request.app[STORE].children(request.path)
    return web.json_response({"value": versions.select(found, request.query)})


async def get_container(request: web.Request) -> web.Response:
    """Answer a name with its latest and its next version."""
    container = request.app[STORE].get(request.path)
    if container is None:
        raise _missing(request)
    return web.json_response(_summarized(request, container))


async def update_container(request: web.Request) -> web.Response:
    """Change the description, tags or archival of a name."""
    given = await _given(request)
    container = request.app[STORE].get(request.path)
    properties = _DEFAULTS | (container["properties"] if container else {}) | given
    document = _document(request, f"workspaces/{request.match_info['kind']}", properties, container)
    request.app[STORE].put(request.path, document)
    return web.json_response(_summarized(request, document))


async def list_containers(request: web.Request) -> web.Response:
    """Answer every name of one kind of asset, but for the anonymous ones."""
    containers = request.app[STORE].children(request.path)
    named = [_summarized(request, each) for each in containers if not each["properties"]["isAnonymous"]]
    return web.json_response({"value": versions.select(named, request.query)})


async def start_pending_upload(request: web.Request) -> web.Response:
    """Answer a new container into which the SDK uploads the files of a version."""
    container = f"upload-{uuid4()}"
    (request.app[HOME].blobs / container).mkdir()
    uri = f"{request.app[HOME].url}/{HOST}/{container}"
    reference = {
        "blobUri": uri,
        "storageAccountArmId": None,
        "credential": {"credentialType": "SAS", "sasUri": f"{uri}?{SAS}"},
    }
    answer = {"pendingUploadId": container, "pendingUploadType": "TemporaryBlobReference"}
    return web.json_response({"blobReferenceForConsumption": reference, **answer})


async def _given(request: web.Request) -> dict[str, Any]:
    info = request.match_info
    for text in (info["name"], info.get("version", "1")):
        if not versions.is_name(text):
            raise bad_request(f"The name or version {text} is invalid: 1 to 255 letters, digits, '-', '_' and '.'.")
    given = {key: value for key, value in (await request.json())["properties"].items() if value is not None}
    if info["kind"] == "models":
        given |= model_files.settle(request.app, given, workspace=WORKSPACE.format(**info))
    return given


def _refuse_change(kind: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    changed = {key for key, value in new.items() if key not in _MUTABLE and old.get(key) != value}
    if kind == "components" and not old["isAnonymous"]:
        changed |= _changes_of_component(old["componentSpec"], new.get("componentSpec", {}))
    changed.discard("componentSpec")
    changed.discard("isAnonymous")
    if not changed:
        return
    if kind == "environments":
        # The SDK takes this status as the sign to try the next version.
        raise ArmError(409, "Conflict", "The environment version exists already with another definition.")
    if kind == "components":
        raise bad_request(f"The component version exists already; it cannot change in {', '.join(sorted(changed))}.")
    raise bad_request("Asset paths cannot be updated.")


def _changes_of_component(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {
        key for key in old.keys() | new.keys() if key not in _MUTABLE_OF_COMPONENTS and old.get(key) != new.get(key)
    }


def _document(request: web.Request, type_: str, properties: dict[str, Any], previous: Document | None) -> Document:
    return arm.resource(request.path, type=type_, properties=properties, previous=previous)


def _put_container(request: web.Request, properties: dict[str, Any]) -> None:
    id_ = re.sub("/versions/[^/]+$", "", request.path)
    if request.app[STORE].get(id_) is None:
        own = _DEFAULTS | {"isAnonymous": properties["isAnonymous"]}
        if "dataType" in properties:
            own["dataType"] = properties["dataType"]
        type_ = f"workspaces/{request.match_info['kind']}"
        request.app[STORE].put(id_, arm.resource(id_, type=type_, properties=own))


def _summarized(request: web.Request, container: Document) -> Document:
    found = request.app[STORE].children(f"{container['id']}/versions")
    return {**container, "properties": container["properties"] | versions.summarize(found)}


def _missing(request: web.Request) -> ArmError:
    info = request.match_info
    version = f" version {info['version']}" if "version" in info else ""
    return not_found(f"Asset {info['name']}{version} of {info['kind']}")


routes: tuple[web.RouteDef, ...] = (
    web.put(_VERSION, create_or_update),
    web.get(_VERSION, get),
    web.get(_VERSIONS, list_),
    web.get(_CONTAINER, get_container),
    web.put(_CONTAINER, update_container),
    web.get(_KIND, list_containers),
    web.post(_VERSION + "/startPendingUpload", start_pending_upload),
)
