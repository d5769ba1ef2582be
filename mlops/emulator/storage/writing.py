"""What is written to blobs: whole, in blocks, as copies; their headers and metadata."""

from __future__ import annotations

import asyncio
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4
from xml.etree import ElementTree as ET

from aiohttp import web

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import BlobError
from mlops.emulator.storage import account, signatures, target
from mlops.emulator.storage.signatures import Access

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.store import Document

_CHUNK = 2**20
# The largest body of Put Blob; a block may have 4,000 MiB.
_MAX_SIZE = 5000 * 2**20
_META = "x-ms-meta-"
# What a client says of a blob when it writes it, and reads later as another header.
_KEPT_HEADERS = {
    "x-ms-blob-content-type": "Content-Type",
    "x-ms-blob-content-encoding": "Content-Encoding",
    "x-ms-blob-content-language": "Content-Language",
    "x-ms-blob-content-disposition": "Content-Disposition",
    "x-ms-blob-cache-control": "Cache-Control",
    "x-ms-blob-content-md5": "Content-MD5",
}
_OURS = f"/{account.HOST}/"


async def put(request: web.Request) -> web.Response:
    """Write a blob, one block of it, its list of blocks, its headers or its metadata, or copy it."""
    operations = {
        "": _put_copy if "x-ms-copy-source" in request.headers else _put_blob,
        "block": _put_block,
        "blocklist": _put_block_list,
        "metadata": _put_metadata,
        "properties": _put_headers,
    }
    operation = operations.get(request.query.get("comp", ""))
    if operation is None:
        raise BlobError(400, "UnsupportedQueryParameter", "The emulator does not know this operation on blobs.")
    return await operation(request)


async def _put_blob(request: web.Request) -> web.Response:
    if request.headers.get("x-ms-blob-type", "BlockBlob") != "BlockBlob":
        raise BlobError(400, "UnsupportedHeader", "The emulator keeps block blobs only.")
    _check_write(request)
    _commit(request, await _receive(request))
    return web.Response(status=201, headers=_written(request))


async def _put_block(request: web.Request) -> web.Response:
    _check_write(request, conditional=False)
    block = _block(request, request.query.get("blockid", ""))
    received = await _receive(request)
    block.parent.mkdir(parents=True, exist_ok=True)
    received.replace(block)
    return web.Response(status=201)


async def _put_block_list(request: web.Request) -> web.Response:
    _check_write(request)
    try:
        names = [node.text or "" for node in ET.fromstring(await request.text())]  # noqa: S314 - no entities in expat
    except (ET.ParseError, UnicodeDecodeError, LookupError):
        raise BlobError(400, "InvalidXmlDocument", "The specified XML is not syntactically valid.") from None
    blocks = [_block(request, name) for name in names]
    if not all(block.exists() for block in blocks):
        raise BlobError(400, "InvalidBlockList", "The specified block list is invalid.")
    whole = _unfinished(request)
    await asyncio.to_thread(_join, blocks, whole)
    _commit(request, whole)
    shutil.rmtree(_block(request, "").parent, ignore_errors=True)
    return web.Response(status=201, headers=_written(request))


async def _put_metadata(request: web.Request) -> web.Response:
    file = target.existing(request, "wt")
    target.keep(request, {**target.said(request), "metadata": _metadata(request)})
    return web.Response(headers=account.dates(file))


async def _put_headers(request: web.Request) -> web.Response:
    file = target.existing(request, "w")
    target.keep(request, {**target.said(request), "headers": _kept_headers(request)})
    return web.Response(headers=account.dates(file))


async def _put_copy(request: web.Request) -> web.Response:
    """Copy a blob of this account, whose address must open it unless the request itself opens the account."""
    _check_write(request)
    container, blob, file = _source(request)
    whole = _unfinished(request)
    await asyncio.to_thread(shutil.copyfile, file, whole)
    said = account.read_properties(request.app[STORE], container, blob)
    metadata = _metadata(request) or said["metadata"]
    _commit(request, whole, {"headers": said["headers"] | _kept_headers(request), "metadata": metadata})
    copied = {"x-ms-copy-id": str(uuid4()), "x-ms-copy-status": "success"}
    # Put Blob From URL names the type of blob, Copy Blob does not.
    status = 201 if "x-ms-blob-type" in request.headers else 202
    return web.Response(status=status, headers=_written(request) | copied)


def _check_write(request: web.Request, *, conditional: bool = True) -> None:
    """Raise BlobError when the request may not write, or says that it must not overwrite."""
    file = target.file(request, "cw")
    exists = file.is_file()
    if exists:
        target.file(request, "w")
    if not conditional:
        return
    if exists and request.headers.get("If-None-Match") == "*":
        raise BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")
    wanted = request.headers.get("If-Match")
    if wanted and not (exists and wanted in ("*", account.dates(file)["ETag"])):
        raise BlobError(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")


def _source(request: web.Request) -> tuple[str, str, Path]:
    address, home = urlsplit(request.headers["x-ms-copy-source"]), request.app[HOME]
    container, _, blob = unquote(address.path).removeprefix(_OURS).partition("/")
    if f"{address.scheme}://{address.netloc}" != home.url or not address.path.startswith(_OURS):
        raise BlobError(400, "InvalidHeaderValue", "The emulator copies blobs of its own account only.")
    query, access = dict(parse_qsl(address.query)), Access("r", container, blob)
    if "sig" in query:
        signatures.check_sas(home, query, access)
    else:
        signatures.check(request, home, access)
    file = account.blob_file(account.container_folder(home, container), blob)
    if not file.is_file():
        raise BlobError(404, "CannotVerifyCopySource", "The specified blob does not exist.")
    return container, blob, file


def _unfinished(request: web.Request) -> Path:
    folder = request.app[HOME].blobs / ".unfinished"
    folder.mkdir(exist_ok=True)
    return folder / uuid4().hex


def _block(request: web.Request, name: str) -> Path:
    info = request.match_info
    blob = sha256(f"{info['container']}/{info['blob']}".encode()).hexdigest()
    return request.app[HOME].blobs / ".blocks" / blob / sha256(name.encode()).hexdigest()


async def _receive(request: web.Request) -> Path:
    if (request.content_length or 0) > _MAX_SIZE:
        raise BlobError(
            413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit."
        )
    file = _unfinished(request)
    try:
        with file.open("wb") as received:
            async for chunk in request.content.iter_chunked(_CHUNK):
                received.write(chunk)
    except BaseException:  # a client that went away is a cancellation: it goes on, and no half file stays
        file.unlink(missing_ok=True)
        raise
    return file


def _join(blocks: list[Path], whole: Path) -> None:
    with whole.open("wb") as joined:
        for block in blocks:
            with block.open("rb") as source:
                shutil.copyfileobj(source, joined, _CHUNK)


def _commit(request: web.Request, received: Path, said: Document | None = None) -> None:
    info = request.match_info
    file = account.blob_file(account.container_folder(request.app[HOME], info["container"]), info["blob"])
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        received.replace(file)
    except OSError:
        received.unlink(missing_ok=True)
        # Azure allows a blob `a` beside a blob `a/b`; a folder of files does not.
        raise BlobError(409, "ResourceTypeMismatch", "Here no blob can be the folder of another.") from None
    target.keep(request, said or {"metadata": _metadata(request), "headers": _kept_headers(request)})


def _metadata(request: web.Request) -> dict[str, str]:
    headers = {key.lower(): value for key, value in request.headers.items()}
    return {key[len(_META) :]: value for key, value in headers.items() if key.startswith(_META)}


def _kept_headers(request: web.Request) -> dict[str, str]:
    return {kept: request.headers[given] for given, kept in _KEPT_HEADERS.items() if given in request.headers}


def _written(request: web.Request) -> dict[str, str]:
    info = request.match_info
    return account.dates(request.app[HOME].blobs / info["container"] / info["blob"])
