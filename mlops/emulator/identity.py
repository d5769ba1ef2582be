"""Signing in: how an unmodified program finds the emulator, gets its tokens, and what those open."""

from __future__ import annotations

import hmac
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import jwt
from aiohttp import web

from mlops.emulator.context import HOME
from mlops.emulator.errors import ArmError, bad_request, unauthorized
from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import Token
from mlops.emulator.home import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops.emulator.home import Home

MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
# The SDK makes the second of the portal's address: see `metadata`.
MACHINE_LEARNING = ("https://ml.azure.com", "https://ml.azure.local")
STORAGE = ("https://storage.azure.com",)

_TOKEN_LIFETIME_S = 24 * 3600
_OBJECT_ID = "22222222-2222-2222-2222-222222222222"
_ALGORITHM = "HS256"


def mint(home: Home, audience: str, *, lifetime_s: float = _TOKEN_LIFETIME_S) -> str:
    """Return a JSON web token for the audience, signed with a key that only this emulator has."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"{home.url}/{TENANT}/",
        "iat": now,
        "exp": int(now + lifetime_s),
        "tid": TENANT,
        "oid": _OBJECT_ID,
        "appid": _OBJECT_ID,
    }
    return jwt.encode(claims, home.secret("tokens"), algorithm=_ALGORITHM)


def verify(home: Home, authorization: str, *, audiences: Iterable[str]) -> None:
    """Raise the 401 that Azure Resource Manager answers, unless the header carries a valid token for an audience."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise unauthorized()
    accepted = [spelling for audience in audiences for spelling in (audience, f"{audience}/")]
    try:
        jwt.decode(
            token,
            home.secret("tokens"),
            algorithms=[_ALGORITHM],
            audience=accepted,
            options={"require": ["aud", "exp"]},
        )
    except jwt.ExpiredSignatureError:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        text = f"The access token expiry UTC time is earlier than current UTC time '{now}'."
        raise ArmError(401, "ExpiredAuthenticationToken", text) from None
    except jwt.InvalidAudienceError:
        text = (
            "The access token has been obtained for wrong audience or resource. It should exactly match with one of "
            f"the allowed audiences {', '.join(map(repr, accepted))}."
        )
        raise ArmError(401, "InvalidAuthenticationTokenAudience", text) from None
    except jwt.InvalidTokenError:
        raise ArmError(401, "InvalidAuthenticationToken", "The access token is invalid.") from None


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
    lifetime_s = _TOKEN_LIFETIME_S if fault is None else fault.lifetime_s
    return web.json_response(
        {
            "access_token": mint(home, resource, lifetime_s=lifetime_s),
            "expires_on": str(int(time.time()) + lifetime_s),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": _OBJECT_ID,
        }
    )


routes: tuple[web.RouteDef, ...] = (
    web.get("/metadata/endpoints", metadata),
    web.get("/msi/token", token),
)
