"""Azure's Blob REST over the storage account: the account itself and its containers."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import BlobError
from mlops.emulator.storage import account, listing, signatures
from mlops.emulator.storage.signatures import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_ACCOUNT = f"/{account.HOST}"
_CONTAINER = _ACCOUNT + "/{container}"


async def get_account(request: web.Request) -> web.Response:
    """Answer the containers, the kind of account, or the blobs of the container that the prefix begins with."""
    query = request.query
    if query.get("restype") == "container" and query.get("comp") == "list":
        return _list_by_address(request)
    signatures.check(request, request.app[HOME], Access("l" if query.get("comp") == "list" else "r"))
    if query.get("comp") != "list":
        return web.Response(headers={"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2"})
    folders = sorted(each for each in request.app[HOME].blobs.iterdir() if not each.name.startswith("."))
    return _xml(listing.containers(folders, query))


async def get(request: web.Request) -> web.Response:
    """Answer a container's blobs in the order of their names, or that it exists."""
    is_list = request.query.get("comp") == "list"
    folder = _existing(request, "l" if is_list else "rl")
    if not is_list:
        return web.Response(headers=account.dates(folder))
    return _xml(listing.blobs(folder, request.app[STORE], request.query))


async def create(request: web.Request) -> web.Response:
    """Make a container."""
    folder = _folder(request, "cw")
    if request.query.get("restype") != "container" or "comp" in request.query:
        raise BlobError(400, "UnsupportedQueryParameter", "The emulator does not know this operation on containers.")
    if folder.is_dir():
        raise BlobError(409, "ContainerAlreadyExists", "The specified container already exists.")
    folder.mkdir()
    return web.Response(status=201, headers=account.dates(folder))


async def delete(request: web.Request) -> web.Response:
    """Delete a container with its blobs."""
    await asyncio.to_thread(shutil.rmtree, _existing(request, "d"))
    return web.Response(status=202)


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Drop what was on its way when an earlier emulator ended."""
    await asyncio.to_thread(shutil.rmtree, app[HOME].blobs / ".unfinished", ignore_errors=True)
    yield


def _list_by_address(request: web.Request) -> web.Response:
    # The SDK takes the account for the container when it downloads a registry's asset: see `assets.uploads`.
    home, name = request.app[HOME], request.query.get("prefix", "").partition("/")[0]
    signatures.check(request, home, Access("l", name))
    folder = account.container_folder(home, name)
    query = {**request.query, "prefix": request.query["prefix"].removeprefix(f"{name}/")}
    return _xml(listing.blobs(folder, request.app[STORE], query, before=f"{name}/"))


def _folder(request: web.Request, permissions: str) -> Path:
    home, name = request.app[HOME], request.match_info["container"]
    signatures.check(request, home, Access(permissions, name))
    return account.container_folder(home, name)


def _existing(request: web.Request, permissions: str) -> Path:
    folder = _folder(request, permissions)
    if not folder.is_dir():
        raise BlobError(404, "ContainerNotFound", "The specified container does not exist.")
    return folder


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")


routes: tuple[web.RouteDef, ...] = (
    web.get(_ACCOUNT, get_account),
    web.get(_ACCOUNT + "/", get_account),
    web.get(_CONTAINER, get),
    web.put(_CONTAINER, create),
    web.delete(_CONTAINER, delete),
)
