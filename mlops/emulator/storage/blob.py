"""Azure's Blob REST over the storage account, as much of it as azure-storage-blob asks for."""

from __future__ import annotations

import asyncio
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import uuid4
from xml.etree import ElementTree as ET

from aiohttp import web

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import BlobError
from mlops.emulator.storage import account, blob_listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_CONTAINER = f"/{account.HOST}/{{container}}"
_BLOB = _CONTAINER + "/{blob:.+}"
_CHUNK = 2**20
_META = "x-ms-meta-"


async def put(request: web.Request) -> web.Response:
    """Write a blob, one block of it, its list of blocks or its metadata."""
    operations = {"": _put_blob, "block": _put_block, "blocklist": _put_block_list, "metadata": _put_metadata}
    operation = operations.get(request.query.get("comp", ""))
    if operation is None or "x-ms-copy-source" in request.headers:
        raise BlobError(400, "UnsupportedOperation", "The emulator does not know this operation on blobs.")
    return await operation(request)


async def _put_blob(request: web.Request) -> web.Response:
    _refuse_overwrite(request)
    _commit(request, await _receive(request))
    return web.Response(status=201, headers=_properties(request))


async def _put_block(request: web.Request) -> web.Response:
    received = await _receive(request)
    block = _block(request, request.query["blockid"])
    block.parent.mkdir(parents=True, exist_ok=True)
    received.replace(block)
    return web.Response(status=201)


async def _put_block_list(request: web.Request) -> web.Response:
    _refuse_overwrite(request)
    names = [node.text or "" for node in ET.fromstring(await request.text())]  # noqa: S314 - loopback
    blocks = [_block(request, name) for name in names]
    if not all(block.exists() for block in blocks):
        raise BlobError(400, "InvalidBlockList", "The specified block list is invalid.")
    whole = _unfinished(request)
    await asyncio.to_thread(_join, blocks, whole)
    _commit(request, whole)
    shutil.rmtree(_block(request, "").parent, ignore_errors=True)
    return web.Response(status=201, headers=_properties(request))


async def _put_metadata(request: web.Request) -> web.Response:
    _existing(request)
    _write_metadata(request)
    return web.Response(headers=_properties(request))


async def get(request: web.Request) -> web.StreamResponse:
    """Answer a blob's bytes, all or a range of them; HEAD answers its properties alone."""
    file, headers = _existing(request), _properties(request)
    size = file.stat().st_size
    if request.headers.get("If-Match", headers["ETag"]) != headers["ETag"]:
        raise BlobError(412, "ConditionNotMet", "The blob has changed meanwhile.")
    if request.method == "HEAD":
        return web.Response(headers=headers | {"Content-Length": str(size)})
    wanted = request.headers.get("x-ms-range") or request.headers.get("Range")
    start, end = _range(wanted, size)
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    response = web.StreamResponse(status=206 if wanted else 200, headers=headers)
    response.content_length = end - start
    await response.prepare(request)
    await _send(response, file, start, end)
    return response


async def delete(request: web.Request) -> web.Response:
    """Delete a blob."""
    _existing(request).unlink()
    account.delete_metadata(request.app[STORE], request.match_info["container"], request.match_info["blob"])
    return web.Response(status=202)


async def container(request: web.Request) -> web.Response:
    """Answer a container's blobs in the order of their names, or that it exists."""
    folder = _container(request)
    if not folder.is_dir():
        raise BlobError(404, "ContainerNotFound", "The specified container does not exist.")
    if request.query.get("comp") != "list":
        return web.Response(headers=account.dates(folder))
    listing = blob_listing.document(folder, request.app[STORE], request.query)
    return web.Response(text=listing, content_type="application/xml")


async def create_container(request: web.Request) -> web.Response:
    """Make a container."""
    folder = _container(request)
    if folder.is_dir():
        raise BlobError(409, "ContainerAlreadyExists", "The specified container already exists.")
    folder.mkdir()
    return web.Response(status=201, headers=account.dates(folder))


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Make the containers of the datastores that every workspace has."""
    for name in account.CONTAINERS.values():
        (app[HOME].blobs / name).mkdir(exist_ok=True)
    yield


def _container(request: web.Request) -> Path:
    if "sig" not in request.query and "Authorization" not in request.headers:
        raise BlobError(403, "AuthenticationFailed", "The request carries no shared access signature.")
    return account.container_folder(request.app[HOME], request.match_info["container"])


def _file(request: web.Request) -> Path:
    return account.blob_file(_container(request), request.match_info["blob"])


def _existing(request: web.Request) -> Path:
    file = _file(request)
    if request.match_info["blob"].endswith("/") or not file.is_file():
        raise BlobError(404, "BlobNotFound", "The specified blob does not exist.")
    return file


def _unfinished(request: web.Request) -> Path:
    folder = request.app[HOME].blobs / ".unfinished"
    folder.mkdir(exist_ok=True)
    return folder / uuid4().hex


def _block(request: web.Request, name: str) -> Path:
    blob = sha256(str(_file(request)).encode()).hexdigest()
    return request.app[HOME].blobs / ".blocks" / blob / sha256(name.encode()).hexdigest()


async def _receive(request: web.Request) -> Path:
    file = _unfinished(request)
    with file.open("wb") as target:
        async for chunk in request.content.iter_chunked(_CHUNK):
            target.write(chunk)
    return file


def _join(blocks: list[Path], whole: Path) -> None:
    with whole.open("wb") as target:
        for block in blocks:
            with block.open("rb") as source:
                shutil.copyfileobj(source, target, _CHUNK)


def _refuse_overwrite(request: web.Request) -> None:
    if request.headers.get("If-None-Match") == "*" and _file(request).is_file():
        raise BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")


def _commit(request: web.Request, received: Path) -> None:
    file = _file(request)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        received.replace(file)
    except OSError:
        # Azure allows a blob `a` beside a blob `a/b`; a folder of files does not.
        raise BlobError(409, "ResourceTypeMismatch", "Here no blob can be the folder of another.") from None
    _write_metadata(request)


def _write_metadata(request: web.Request) -> None:
    headers = {key.lower(): value for key, value in request.headers.items()}
    metadata = {key[len(_META) :]: value for key, value in headers.items() if key.startswith(_META)}
    info = request.match_info
    account.write_metadata(request.app[STORE], info["container"], info["blob"], metadata)


def _properties(request: web.Request) -> dict[str, str]:
    info = request.match_info
    metadata = account.read_metadata(request.app[STORE], info["container"], info["blob"])
    return {
        "x-ms-blob-type": "BlockBlob",
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        **account.dates(_file(request)),
        **{f"{_META}{key}": value for key, value in metadata.items()},
    }


def _range(wanted: str | None, size: int) -> tuple[int, int]:
    if wanted is None:
        return 0, size
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    if int(first) >= size:
        raise BlobError(416, "InvalidRange", "The range is invalid for the current size of the resource.")
    return int(first), min(int(last) + 1, size) if last else size


async def _send(response: web.StreamResponse, file: Path, start: int, end: int) -> None:
    with file.open("rb") as source:
        source.seek(start)
        while start < end and (chunk := source.read(min(_CHUNK, end - start))):
            await response.write(chunk)
            start += len(chunk)


routes: tuple[web.RouteDef, ...] = (
    web.put(_BLOB, put),
    web.get(_BLOB, get),
    web.delete(_BLOB, delete),
    web.get(_CONTAINER, container),
    web.put(_CONTAINER, create_container),
)
