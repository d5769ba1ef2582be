"""Request bodies as they come in: in time, not too large, JSON, and of the shape that their route asks for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from mlops.emulator import shapes
from mlops.emulator.errors import ArmError, too_large, too_slow, unreadable
from mlops.emulator.store import Document

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

BODY = web.RequestKey("body", Document)

# Azure Resource Manager takes no more.
LIMIT = 4 * 2**20
_LIMIT_S = 30.0
_DEPTH = 64
_JSON = ("/subscriptions/", "/mferp/", "/history/", "/data/", "/_emulator/")
_WRITES = ("PUT", "PATCH", "POST")


@web.middleware
async def read(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the body of a control-plane write, or refuse it as the service does, before anybody looks at it."""
    if request.method in _WRITES and request.path.startswith(_JSON):
        content, resource = await _content(request), request.match_info.route.resource
        body = request[BODY] = _document(request, content) if content else {}
        if resource is not None:
            shapes.check(request.method, resource.canonical, body)
    return await handler(request)


async def _content(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_LIMIT_S):
            content = await request.read()
    except TimeoutError:
        raise too_slow(_LIMIT_S) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large(LIMIT) from None
    return content


def _document(request: web.Request, content: bytes) -> Document:
    if not request.content_type.endswith("json") or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise ArmError(
            415,
            "UnsupportedMediaType",
            f"The content media type {request.headers.get('Content-Type', '')!r} is not supported."
            " Only 'application/json' in UTF-8 is supported.",
        )
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise unreadable(f"it is no valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise unreadable("a JSON object is expected")
    if _is_deeper(document, _DEPTH):
        raise unreadable(f"the reader's MaxDepth of {_DEPTH} has been exceeded")
    return document


def _is_deeper(value: object, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth == 0 or any(_is_deeper(each, depth - 1) for each in inner)
