"""Signing in: how an unmodified program finds the emulator and gets its tokens."""

from __future__ import annotations

import hmac
import time

from aiohttp import web

from mlops.emulator import tokens
from mlops.emulator.context import HOME
from mlops.emulator.errors import ArmError, bad_request
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import Token
from mlops.emulator.home import TENANT


async def metadata(request: web.Request) -> web.Response:
    """Answer the one cloud there is; the SDK reads it at ARM_CLOUD_METADATA_URL."""
    url = request.app[HOME].url
    cloud = {
        # One name per emulator: the SDK remembers clouds by name for the life of a process.
        "name": f"AzureMLEmulator{request.app[HOME].port}",
        # The SDK makes the audience of job tokens, https://ml.azure.local, from the portal's last labels.
        "portal": "https://portal.azure.local/",
        "resourceManager": f"{url}/",
        "authentication": {"loginEndpoint": f"{url}/", "audiences": [f"{url}/"], "tenant": TENANT},
        "suffixes": {"storage": "localhost"},
    }
    return web.json_response([cloud])


async def token(request: web.Request) -> web.Response:
    """Answer a token as App Service's managed identity does; DefaultAzureCredential asks for it."""
    home, resource = request.app[HOME], request.query.get("resource")
    if not hmac.compare_digest(request.headers.get("X-IDENTITY-HEADER", "").encode(), home.identity_header.encode()):
        raise ArmError(401, "Unauthorized", "The header X-IDENTITY-HEADER does not hold the secret of this emulator.")
    if not resource:
        raise bad_request("The parameter resource is missing.")
    fault = request.app[FAULTS].take(Token)
    lifetime_s = tokens.LIFETIME_S if fault is None else fault.lifetime_s
    return web.json_response(
        {
            "access_token": tokens.mint(home, resource, lifetime_s=lifetime_s),
            "expires_on": str(int(time.time()) + lifetime_s),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": tokens.OBJECT_ID,
        }
    )


routes: tuple[web.RouteDef, ...] = (
    web.get("/metadata/endpoints", metadata),
    web.get("/msi/token", token),
)
