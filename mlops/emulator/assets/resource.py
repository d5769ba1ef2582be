"""Codes, data, models, environments and components: named, versioned, and never changed.

The same routes lead to those of a workspace and to those of a registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator import arm
from mlops.emulator.assets import content, curated, rules, versions
from mlops.emulator.bodies import BODY
from mlops.emulator.context import REGISTRY, STORE, WORKSPACE
from mlops.emulator.errors import ArmError, bad_request, not_found
from mlops.emulator.jobs import registration
from mlops.emulator.registry.registries import refuse_writes
from mlops.emulator.scope import id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.store import Document

_KIND = "/{kind:codes|data|models|environments|components}"

# What the SDK asks for when it means the latest version of a component.
_DEFAULT_VERSIONS = {"azureml_default", "default"}
_DEFAULTS: dict[str, Any] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isAnonymous": False,
    "isArchived": False,
}


async def create_or_update(request: web.Request) -> web.Response:
    """Register a version, or change the description, tags and the like of an existing one."""
    info, given = request.match_info, _given(request)
    id_, given = _id(info), content.settle(request.app, info, given)
    previous = request.app[STORE].get(id_)
    container = request.app[STORE].get(_container_id(id_))
    if previous:
        rules.refuse_change(info["kind"], previous["properties"], given)
    else:
        rules.refuse_version(info["kind"], info["version"])
        given |= await content.describe(request.app, info, given)
        rules.refuse_other_type(info["kind"], container, given)
    properties = _DEFAULTS | (previous["properties"] if previous else {"provisioningState": "Succeeded"}) | given
    document = arm.resource(id_, type=_type(info) + "/versions", properties=properties, previous=previous)
    store(request.app, info, document)
    return web.json_response(document, status=200 if previous else 201)


async def get(request: web.Request) -> web.Response:
    """Answer one version."""
    await _adopt(request)
    id_ = _id(request.match_info)
    document = request.app[STORE].get(id_)
    if document is None and request.match_info["version"] in _DEFAULT_VERSIONS:
        document = next(iter(request.app[STORE].children(id_.rpartition("/")[0])), None)
    if document is None:
        raise _missing(request)
    return web.json_response(document)


async def list_(request: web.Request) -> web.Response:
    """Answer the versions of one name, youngest first unless asked otherwise."""
    await _adopt(request)
    id_ = _id(request.match_info)
    container = request.app[STORE].get(id_) or {"properties": {}}
    found = request.app[STORE].children(f"{id_}/versions")
    archived = bool(container["properties"].get("isArchived"))
    return web.json_response({"value": versions.select(found, request.query, archived=archived)})


async def get_container(request: web.Request) -> web.Response:
    """Answer a name with its latest and its next version."""
    await _adopt(request)
    container = request.app[STORE].get(_id(request.match_info))
    if container is None:
        raise _missing(request)
    return web.json_response(_summarized(request, container))


async def update_container(request: web.Request) -> web.Response:
    """Change the description, tags or archival of a name."""
    info, given = request.match_info, _given(request)
    container = request.app[STORE].get(_id(info))
    properties = _DEFAULTS | (container["properties"] if container else {}) | given
    document = arm.resource(_id(info), type=_type(info), properties=properties, previous=container)
    request.app[STORE].put(document["id"], document)
    return web.json_response(_summarized(request, document))


async def list_containers(request: web.Request) -> web.Response:
    """Answer every name of one kind of asset, but for the anonymous ones."""
    await _adopt(request)
    info = request.match_info
    containers = request.app[STORE].children(f"{id_of(info)}/{info['kind']}")
    named = [_summarized(request, each) for each in containers if not each["properties"]["isAnonymous"]]
    return web.json_response({"value": versions.select(named, request.query)})


async def _adopt(request: web.Request) -> None:
    """Take in the models that were registered through MLflow meanwhile, and the curated environment that is named."""
    info = request.match_info
    if info["kind"] == "models":
        await registration.adopt_mlflow_models(request.app)
    if info["kind"] == "environments" and "workspace" in info and "name" in info:
        id_, version = _container_id(_id(info)), info.get("version", "1")
        known = request.app[STORE].get(f"{id_}/versions/{version}")
        for document in [] if known else curated.versions(id_, version):
            request.app[STORE].put(document["id"], document)


def store(app: web.Application, info: Mapping[str, str], document: Document) -> None:
    """Keep a version, and with the first one its name."""
    id_, properties = _container_id(document["id"]), document["properties"]
    if app[STORE].get(id_) is None:
        own = _DEFAULTS | {"isAnonymous": properties["isAnonymous"]}
        if "dataType" in properties:
            own["dataType"] = properties["dataType"]
        app[STORE].put(id_, arm.resource(id_, type=_type(info), properties=own))
    app[STORE].put(document["id"], document)


def _given(request: web.Request) -> dict[str, Any]:
    """Return what the body says; raise the error of a name that is none, or of a registry that is not one's own."""
    info = request.match_info
    if "registry" in info:
        refuse_writes(info["registry"])
    for text in (info["name"], info.get("version", "1")):
        if not versions.is_name(text):
            raise bad_request(f"The name or version {text} is invalid: 1 to 255 letters, digits, '-', '_' and '.'.")
    properties = request[BODY].get("properties") or {}
    return {key: value for key, value in properties.items() if value is not None}


def _id(info: Mapping[str, str]) -> str:
    version = f"/versions/{info['version']}" if "version" in info else ""
    return f"{id_of(info)}/{info['kind']}/{info['name']}{version}"


def _container_id(id_: str) -> str:
    return id_.partition("/versions/")[0]


def _type(info: Mapping[str, str]) -> str:
    return f"{'registries' if 'registry' in info else 'workspaces'}/{info['kind']}"


def _summarized(request: web.Request, container: Document) -> Document:
    found = request.app[STORE].children(f"{container['id']}/versions")
    return {**container, "properties": container["properties"] | versions.summarize(found)}


def _missing(request: web.Request) -> ArmError:
    info = request.match_info
    version = f" version {info['version']}" if "version" in info else ""
    return not_found(f"Asset {info['name']}{version} of {info['kind']}")


routes: tuple[web.RouteDef, ...] = tuple(
    route
    for kind in (WORKSPACE + _KIND, REGISTRY + _KIND)
    for route in (
        web.put(kind + "/{name}/versions/{version}", create_or_update),
        web.get(kind + "/{name}/versions/{version}", get),
        web.get(kind + "/{name}/versions", list_),
        web.get(kind + "/{name}", get_container),
        web.put(kind + "/{name}", update_container),
        web.get(kind, list_containers),
    )
)
