"""What opens an endpoint's data plane: its two keys, its tokens, or an Entra token for Azure ML."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlops.emulator.store import Document

AUTH_MODES = ("Key", "AMLToken", "AADToken")

_AUDIENCE = "https://ml.azure.com"
_TOKEN_LIFETIME_S = 12 * 3600
_REFRESH_AFTER_S = 6 * 3600


def mint_key() -> str:
    """Return a new key."""
    return secrets.token_urlsafe(32)


def mint_token(secret: str, *, now: float) -> Document:
    """Return the reply to a request for an endpoint's token; `now` and its times are seconds since 1970."""
    expires = int(now) + _TOKEN_LIFETIME_S
    return {
        "accessToken": f"{expires}.{_signature(secret, expires)}",
        "expiryTimeUtc": expires,
        "refreshAfterTimeUtc": int(now) + _REFRESH_AFTER_S,
        "tokenType": "Bearer",
    }


def is_accepted(authorization: str, *, auth_mode: str, secret: Document, now: float) -> bool:
    """Return whether the header opens an endpoint with this mode and these secrets."""
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer" or not credential:
        return False
    if auth_mode == "Key":
        return credential in (secret["primaryKey"], secret["secondaryKey"])
    if auth_mode == "AMLToken":
        return _is_token(credential, secret["tokenSecret"], now)
    return _is_entra_token(credential, now)


def _signature(secret: str, expires: int) -> str:
    return hmac.new(secret.encode(), str(expires).encode(), hashlib.sha256).hexdigest()


def _is_token(credential: str, secret: str, now: float) -> bool:
    expires, _, signature = credential.partition(".")
    if not (expires.isascii() and expires.isdigit()) or int(expires) < now:
        return False
    return hmac.compare_digest(signature.encode(), _signature(secret, int(expires)).encode())


def _is_entra_token(credential: str, now: float) -> bool:
    # Faked: any well-formed token for the audience will do, since the emulator signs none of those it mints.
    try:
        payload = credential.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return bool(claims["aud"].rstrip("/") == _AUDIENCE and claims["exp"] > now)
    except (IndexError, KeyError, ValueError):
        return False
