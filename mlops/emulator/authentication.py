"""Who may ask for what: every route has its door, and one without a door is shut."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator import tokens
from mlops.emulator.context import HOME
from mlops.emulator.errors import unauthorized
from mlops.emulator.home import KEY_HEADER
from mlops.emulator.storage.account import HOST

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

# Whose tokens open what: Azure Resource Manager's own, and those of the services of Azure ML beside it.
TOKENS = {
    "/subscriptions/": tokens.MANAGEMENT,
    **dict.fromkeys(("/mferp/", "/history/", "/data/", "/mlflow/"), tokens.MANAGEMENT + tokens.MACHINE_LEARNING),
}
# What the key of the home opens.
CONTROL = "/_emulator/"
# Who looks for themselves: storage at its signatures, endpoints at their keys, identity at its header, and so on.
OWN = (f"/{HOST}", "/endpoints/", "/msi/token", "/jobs/")
# What programs must read before they can have a token, and what tells whether the emulator is up.
OPEN = ("/metadata/endpoints", "/registrymanagement/", "/discovery", "/_emulator/health")


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that show neither a token that this emulator minted for whom they ask, nor its key."""
    unknown = request.match_info.http_exception is not None
    if not request.path.startswith((*OPEN, *OWN)) and not _is_allowed(request) and not unknown:
        raise unauthorized()
    return await handler(request)


def _is_allowed(request: web.Request) -> bool:
    for prefix, audiences in TOKENS.items():
        if request.path.startswith(prefix):
            home = request.app[HOME]
            tokens.verify(home, request.headers.get("Authorization", ""), audiences=(home.url, *audiences))
            return True
    if not request.path.startswith(CONTROL):
        return False
    key = request.headers.get(KEY_HEADER, "").encode(errors="replace")
    if not hmac.compare_digest(key, request.app[HOME].control_key.encode()):
        raise unauthorized(f"The header {KEY_HEADER} must hold what the emulator's folder has in control.key.")
    return True
