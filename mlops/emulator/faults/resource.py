"""Faults over HTTP: `/_emulator/faults`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import ValidationError

from mlops.emulator.bodies import BODY
from mlops.emulator.errors import bad_request, not_found
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import KINDS

if TYPE_CHECKING:
    from mlops.emulator.faults.kinds import Fault
    from mlops.emulator.store import Document

_FAULTS = "/_emulator/faults"


async def list_(request: web.Request) -> web.Response:
    """Answer the faults in force, and how often each struck."""
    return web.json_response({"value": [armed.document() for armed in request.app[FAULTS].list()]})


async def create(request: web.Request) -> web.Response:
    """Put a fault into force."""
    armed = request.app[FAULTS].add(read(request[BODY]))
    return web.json_response(armed.document(), status=201)


async def delete(request: web.Request) -> web.Response:
    """Take one fault out of force."""
    if not request.app[FAULTS].clear(request.match_info["fault"]):
        raise not_found(f"Fault {request.match_info['fault']} (`mlops emulator fault list` shows those in force)")
    return web.json_response({})


async def clear(request: web.Request) -> web.Response:
    """Take all faults out of force."""
    for armed in request.app[FAULTS].list():
        request.app[FAULTS].clear(armed.id)
    return web.json_response({})


def read(document: Document) -> Fault:
    """Return the fault that a JSON document describes; raise ArmError with what is wrong about it."""
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise bad_request(f"The fault cannot be added: kind {kind!r} is none of {', '.join(KINDS)}.")
    try:
        return KINDS[kind].model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise bad_request(f"The fault cannot be added: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


routes: tuple[web.RouteDef, ...] = (
    web.get(_FAULTS, list_),
    web.post(_FAULTS, create),
    web.delete(_FAULTS, clear),
    web.delete(_FAULTS + "/{fault}", delete),
)
