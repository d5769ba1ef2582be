"""The blob that a request is about, if the request may have it, and what was said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import BlobError
from mlops.emulator.storage import account, signatures
from mlops.emulator.storage.signatures import Access

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from mlops.emulator.store import Document


def file(request: web.Request, permissions: str) -> Path:
    """Return where the blob is, or would be, if the request may have one of the permissions."""
    info, home = request.match_info, request.app[HOME]
    signatures.check(request, home, Access(permissions, info["container"], info["blob"]))
    folder = account.container_folder(home, info["container"])
    if not folder.is_dir():
        raise BlobError(404, "ContainerNotFound", "The specified container does not exist.")
    return account.blob_file(folder, info["blob"])


def existing(request: web.Request, permissions: str) -> Path:
    """Return where the blob is; raise the 404 when it is not there."""
    found = file(request, permissions)
    if request.match_info["blob"].endswith("/") or not found.is_file():
        raise BlobError(404, "BlobNotFound", "The specified blob does not exist.")
    return found


def said(request: web.Request) -> Document:
    """Return the blob's metadata and headers."""
    info = request.match_info
    return account.read_properties(request.app[STORE], info["container"], info["blob"])


def keep(request: web.Request, properties: Document) -> None:
    """Replace the blob's metadata and headers."""
    info = request.match_info
    account.write_properties(request.app[STORE], info["container"], info["blob"], properties)
