"""Who may do what in the storage account: shared access signatures, the account's key, and Entra tokens.

The strings to sign are those of Azure's "Create a service SAS", "Create an account SAS" (version 2020-12-06 and
later) and "Authorize with Shared Key".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from mlops.emulator import tokens
from mlops.emulator.errors import ArmError, BlobError
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from mlops.emulator.home import Home

_SHARED_KEY_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
# The letter by which an account's signature knows blobs, among queues, tables and files.
_SERVICE = "b"
_ADDED_TO_SERVICE_SAS = ("rscc", "rscd", "rsce", "rscl", "rsct")


@dataclass(frozen=True)
class Access:
    """What a request is about, and the permissions of which it needs one.

    A request about the account has no container; one about a container has no blob.
    """

    permissions: str
    container: str = ""
    blob: str = ""

    @property
    def resource_type(self) -> str:
        """Return the letter by which an account's signature knows services, containers and objects."""
        return "o" if self.blob else "c" if self.container else "s"


def check(request: web.Request, home: Home, access: Access) -> None:
    """Raise BlobError unless the request may have the access."""
    authorization = request.headers.get("Authorization", "")
    scheme = authorization.partition(" ")[0].lower()
    if "sig" in request.query:
        check_sas(home, request.query, access)
    elif scheme == "sharedkey":
        _check_shared_key(request, home, authorization)
    elif scheme == "bearer":
        _check_token(home, authorization)
    else:
        text = (
            "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."
        )
        raise BlobError(401, "NoAuthenticationInformation", text)


def check_sas(home: Home, query: Mapping[str, str], access: Access) -> None:
    """Raise BlobError unless the query carries a signature that is valid now and for the access."""
    if not any(_is_signed(home, query, text) for text in _texts(home, query, access)):
        raise _failed("Signature did not match.")
    start, expiry = _time(query.get("st")), _time(query.get("se"))
    now = datetime.now(UTC)
    if expiry is None or now > expiry or (start and now < start):
        raise _failed(f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{expiry}].")
    if "ss" in query and _SERVICE not in query["ss"]:
        text = "This request is not authorized to perform this operation using this service."
        raise BlobError(403, "AuthorizationServiceMismatch", text)
    if "ss" in query and access.resource_type not in query.get("srt", ""):
        text = "This request is not authorized to perform this operation using this resource type."
        raise BlobError(403, "AuthorizationResourceTypeMismatch", text)
    if not set(access.permissions) & set(query.get("sp", "")):
        text = "This request is not authorized to perform this operation using this permission."
        raise BlobError(403, "AuthorizationPermissionMismatch", text)


def _texts(home: Home, query: Mapping[str, str], access: Access) -> list[str]:
    """Return what may have been signed; a client knows the account by its name or by parts of its address."""
    names = (account.ACCOUNT, account.HOST, account.name(home))
    if "ss" in query:
        fields = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
        return ["".join(f"{value}\n" for value in (name, *_values(query, fields))) for name in names]
    path = f"/{access.container}" + (f"/{access.blob}" if query.get("sr") == "b" else "")
    before, after = ("sp", "st", "se"), ("si", "sip", "spr", "sv", "sr", "snapshot", "ses", *_ADDED_TO_SERVICE_SAS)
    return ["\n".join((*_values(query, before), f"/blob/{name}{path}", *_values(query, after))) for name in names]


def _values(query: Mapping[str, str], fields: tuple[str, ...]) -> list[str]:
    return [query.get(field, "") for field in fields]


def _is_signed(home: Home, query: Mapping[str, str], text: str) -> bool:
    return hmac.compare_digest(_sign(home, text).encode(), query.get("sig", "").encode())


def _sign(home: Home, text: str) -> str:
    secret = base64.b64decode(account.key(home))
    return base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()


def _time(text: str | None) -> datetime | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _check_shared_key(request: web.Request, home: Home, authorization: str) -> None:
    name, _, signature = authorization.partition(" ")[2].partition(":")
    headers = {key.lower(): value for key, value in request.headers.items()}
    if headers.get("content-length") == "0":
        del headers["content-length"]
    # The service's order of headers does not see the dashes.
    known = sorted((key for key in headers if key.startswith("x-ms-")), key=lambda key: (key.replace("-", ""), key))
    path, _, query = request.raw_path.partition("?")
    pairs = sorted(tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair)
    text = "\n".join(
        (
            request.method,
            *(headers.get(key, "") for key in _SHARED_KEY_HEADERS),
            *(f"{key}:{headers[key]}" for key in known),
            f"/{name}{path}",
            *(f"{key.lower()}:{unquote(value)}" for key, value in pairs),
        )
    )
    if not hmac.compare_digest(_sign(home, text).encode(), signature.encode()):
        raise _failed("The MAC signature found in the HTTP request is not the same as any computed signature.")


def _check_token(home: Home, authorization: str) -> None:
    try:
        tokens.verify(home, authorization, audiences=tokens.STORAGE)
    except ArmError as refusal:
        raise BlobError(401, "InvalidAuthenticationInfo", refusal.message) from None


def _failed(detail: str) -> BlobError:
    text = (
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        f"including the signature. {detail}"
    )
    return BlobError(403, "AuthenticationFailed", text)
