"""Azure's Blob REST over the storage account: blobs, as much of it as azure-storage-blob asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator.context import STORE
from mlops.emulator.errors import BlobError
from mlops.emulator.storage import account, target, writing

if TYPE_CHECKING:
    from pathlib import Path

_BLOB = f"/{account.HOST}/{{container}}/{{blob:.+}}"
_CHUNK = 2**20
_META = "x-ms-meta-"
_RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d*)", re.ASCII)


async def get(request: web.Request) -> web.StreamResponse:
    """Answer a blob's bytes, all or a range of them; HEAD answers its properties alone."""
    file = target.existing(request, "r")
    headers, size = _properties(request, file), file.stat().st_size
    if request.headers.get("If-Match", headers["ETag"]) not in (headers["ETag"], "*"):
        raise BlobError(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
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
    target.existing(request, "d").unlink()
    account.delete_properties(request.app[STORE], request.match_info["container"], request.match_info["blob"])
    return web.Response(status=202)


def _properties(request: web.Request, file: Path) -> dict[str, str]:
    said = target.said(request)
    return {
        "x-ms-blob-type": "BlockBlob",
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        **said["headers"],
        **account.dates(file),
        **{f"{_META}{key}": value for key, value in said["metadata"].items()},
    }


def _range(wanted: str | None, size: int) -> tuple[int, int]:
    if wanted is None:
        return 0, size
    match = _RANGE.fullmatch(wanted)
    if match is None:
        raise BlobError(
            400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
        )
    first, last = int(match["first"]), match["last"]
    if first >= size:
        raise BlobError(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
    return first, min(int(last) + 1, size) if last else size


async def _send(response: web.StreamResponse, file: Path, start: int, end: int) -> None:
    with file.open("rb") as source:
        source.seek(start)
        while start < end and (chunk := source.read(min(_CHUNK, end - start))):
            await response.write(chunk)
            start += len(chunk)


routes: tuple[web.RouteDef, ...] = (
    web.put(_BLOB, writing.put),
    web.get(_BLOB, get),
    web.delete(_BLOB, delete),
)
