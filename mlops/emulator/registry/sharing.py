"""Copies of a workspace's assets in a registry, as `models.share` and the like ask for them."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from mlops.emulator import arm, operations, workspace
from mlops.emulator.assets import paths, resource, rules
from mlops.emulator.bodies import BODY
from mlops.emulator.context import HOME, REGISTRY, STORE
from mlops.emulator.errors import ArmError, bad_request, not_found
from mlops.emulator.registry.registries import refuse_writes
from mlops.emulator.scope import id_of
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.store import Document

_SOURCE = re.compile(
    r"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)"
    r"/(?P<kind>data|models|environments|components)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
)
_URIS = {"models": "modelUri", "data": "dataUri"}


async def import_asset(request: web.Request) -> web.Response:
    """Copy an asset of a workspace, its files included, under the name and version that it shall have here."""
    refuse_writes(request.match_info["registry"])
    wanted = request[BODY]["properties"]
    match = _SOURCE.fullmatch(wanted.get("sourceAssetId") or "")
    if match is None:
        raise bad_request(f"The sourceAssetId {wanted.get('sourceAssetId')} names no asset of a workspace.")
    source = _find(request.app, match)
    target = {
        **request.match_info,
        "kind": match["kind"],
        "name": wanted.get("destinationName") or match["name"],
        "version": wanted.get("destinationVersion") or match["version"],
    }
    rules.refuse_version(target["kind"], target["version"])
    id_ = f"{id_of(target)}/{target['kind']}/{target['name']}/versions/{target['version']}"
    if request.app[STORE].get(id_) is not None:
        raise ArmError(409, "UserError", f"The asset {id_} exists already.")
    return await operations.accepted_delete(request, _copy(request.app, source, id_, target))


def _find(app: web.Application, match: re.Match[str]) -> Document:
    scope = workspace.find_by_guid(app[STORE], match["guid"])
    found = scope and app[STORE].get(f"{scope}/{match['kind']}/{match['name']}/versions/{match['version']}")
    if not found:
        raise not_found(f"Asset {match[0]}")
    return found


async def _copy(app: web.Application, source: Document, id_: str, target: dict[str, str]) -> None:
    properties: dict[str, Any] = dict(source["properties"])
    if uri := _URIS.get(target["kind"]):
        scope = source["id"].partition(f"/{target['kind']}/")[0]
        files = paths.local_path(app[STORE], app[HOME], properties[uri], workspace=scope)
        container = f"upload-{uuid4()}"
        await asyncio.to_thread(_copy_files, files, app[HOME].blobs / container)
        properties[uri] = account.url(app[HOME], container, files.name)
    properties.pop("jobName", None)
    document = arm.resource(id_, type=f"registries/{target['kind']}/versions", properties=properties)
    resource.store(app, target, document)


def _copy_files(source: Path, container: Path) -> None:
    container.mkdir()
    if source.is_dir():
        shutil.copytree(source, container / source.name)
    else:
        shutil.copy2(source, container / source.name)


routes: tuple[web.RouteDef, ...] = (web.post(REGISTRY + "/import", import_asset),)
