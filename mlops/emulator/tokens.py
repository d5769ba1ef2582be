"""The tokens that open the control plane: minted here, signed with the home's own key, and checked."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import jwt

from mlops.emulator.errors import ArmError, unauthorized
from mlops.emulator.home import TENANT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops.emulator.home import Home

MANAGEMENT = ("https://management.azure.com", "https://management.core.windows.net")
# The SDK makes the second of the portal's address: see `identity.metadata`.
MACHINE_LEARNING = ("https://ml.azure.com", "https://ml.azure.local")
STORAGE = ("https://storage.azure.com",)

LIFETIME_S = 24 * 3600
OBJECT_ID = "22222222-2222-2222-2222-222222222222"
_ALGORITHM = "HS256"


def mint(home: Home, audience: str, *, lifetime_s: float = LIFETIME_S) -> str:
    """Return a JSON web token for the audience, signed with a key that only this emulator has."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": f"{home.url}/{TENANT}/",
        "iat": now,
        "exp": int(now + lifetime_s),
        "tid": TENANT,
        "oid": OBJECT_ID,
        "appid": OBJECT_ID,
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
