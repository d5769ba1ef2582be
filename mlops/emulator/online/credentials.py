"""What opens an endpoint's data plane: its two keys, its tokens, or an Entra token for Azure ML."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from mlops.emulator import tokens
from mlops.emulator.errors import ArmError

if TYPE_CHECKING:
    from mlops.emulator.home import Home
    from mlops.emulator.store import Document

AUTH_MODES = ("Key", "AMLToken", "AADToken")

LIFETIME_S = 12 * 3600


def mint_key() -> str:
    """Return a new key."""
    return secrets.token_urlsafe(32)


def mint_token(secret: str, *, now: float, lifetime_s: int = LIFETIME_S) -> Document:
    """Return the reply to a request for an endpoint's token; `now` and its times are seconds since 1970."""
    expires = int(now) + lifetime_s
    return {
        "accessToken": f"{expires}.{_signature(secret, expires)}",
        "expiryTimeUtc": expires,
        "refreshAfterTimeUtc": int(now) + lifetime_s // 2,
        "tokenType": "Bearer",
    }


def is_accepted(home: Home, authorization: str, *, auth_mode: str, secret: Document, now: float) -> bool:
    """Return whether the header opens an endpoint with this mode and these secrets."""
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer" or not credential:
        return False
    if auth_mode == "Key":
        return _is_same(credential, secret["primaryKey"]) or _is_same(credential, secret["secondaryKey"])
    if auth_mode == "AMLToken":
        return _is_token(credential, secret["tokenSecret"], now)
    return _is_entra_token(home, authorization)


def _signature(secret: str, expires: int) -> str:
    return hmac.new(secret.encode(), str(expires).encode(), hashlib.sha256).hexdigest()


def _is_token(credential: str, secret: str, now: float) -> bool:
    expires, _, signature = credential.partition(".")
    if not (expires.isascii() and expires.isdigit()) or int(expires) < now:
        return False
    return _is_same(signature, _signature(secret, int(expires)))


def _is_entra_token(home: Home, authorization: str) -> bool:
    # Faked: Azure also asks whether the identity may do onlineEndpoints/score/action; here there is but one.
    try:
        tokens.verify(home, authorization, audiences=tokens.MACHINE_LEARNING)
    except ArmError:
        return False
    return True


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
