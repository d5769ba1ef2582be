"""How an unmodified program finds the emulator: cloud metadata, managed identity, registry discovery."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator.context import HOME
from mlops.emulator.errors import bad_request, not_found
from mlops.emulator.home import REGISTRY, RESOURCE_GROUP, SUBSCRIPTION, TENANT

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN_LIFETIME_S = 24 * 3600
_OBJECT_ID = "22222222-2222-2222-2222-222222222222"


def mint(audience: str, *, expires_on: int) -> str:
    """Return a JSON web token for the audience; it is unsigned, since here nobody checks signatures."""
    header = {"alg": "none", "typ": "JWT"}
    claims = {"aud": audience, "tid": TENANT, "oid": _OBJECT_ID, "exp": expires_on, "appid": _OBJECT_ID}
    return ".".join([_encode(header), _encode(claims), "unsigned"])


def _encode(part: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


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
    if "X-IDENTITY-HEADER" not in request.headers:
        raise bad_request("The header X-IDENTITY-HEADER is missing.")
    resource = request.query["resource"]
    expires_on = int(time.time()) + _TOKEN_LIFETIME_S
    access = mint(resource, expires_on=expires_on)
    return web.json_response(
        {
            "access_token": access,
            "expires_on": str(expires_on),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": _OBJECT_ID,
        }
    )


async def discovery(request: web.Request) -> web.Response:
    """Answer where a registry is: here, if it is the one there is."""
    name = request.match_info["registry"]
    if name != REGISTRY:
        raise not_found(f"Registry {name}")
    url = request.app[HOME].url
    return web.json_response(
        {
            "registryName": name,
            "primaryRegion": "local",
            "primaryRegionResourceProviderUri": f"{url}/",
            "resourceGroup": RESOURCE_GROUP,
            "subscriptionId": SUBSCRIPTION,
        }
    )


routes: tuple[web.RouteDef, ...] = (
    web.get("/metadata/endpoints", metadata),
    web.get("/msi/token", token),
    web.get("/registrymanagement/v1.0/registries/{registry}/discovery", discovery),
)
