"""The storage account: a folder of containers, each a folder of blobs, with their metadata in the store."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from mlops.emulator.errors import BlobError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.home import Home
    from mlops.emulator.store import Document, Store

ACCOUNT = "emulator"
# The path-style name of the account: the SDK makes it of the account's name and the cloud's suffix `localhost`.
HOST = f"{ACCOUNT}.blob.localhost"
# The container of logs and MLflow artifacts, one per account as on Azure: workspaces that share the account share it.
ARTIFACTS = "azureml"

_SAS_LIFETIME = timedelta(hours=8)
# Clocks differ: a signature is valid from a little while ago.
_SAS_AGE = timedelta(minutes=15)


def key(home: Home) -> str:
    """Return the account's key, random for every home."""
    return base64.b64encode(home.secret("storage").encode()).decode()


def name(home: Home) -> str:
    """Return the account's name in datastores: the SDK makes the address of the account out of it."""
    return f"{home.address}:{home.port}/{ACCOUNT}"


def sas(
    home: Home, container: str, blob: str | None = None, *, permissions: str, lifetime: timedelta = _SAS_LIFETIME
) -> str:
    """Return a shared access signature for a container, or for one blob of it."""
    from azure.storage.blob import generate_blob_sas, generate_container_sas

    now, secret = datetime.now(UTC), key(home)
    start, expiry = now - _SAS_AGE, now + lifetime
    if blob is None:
        return generate_container_sas(ACCOUNT, container, secret, permission=permissions, start=start, expiry=expiry)
    return generate_blob_sas(
        ACCOUNT, container, blob, account_key=secret, permission=permissions, start=start, expiry=expiry
    )


def url(home: Home, container: str, blob: str = "") -> str:
    """Return the address of a container or a blob."""
    return f"{home.url}/{HOST}/{container}" + (f"/{quote(blob)}" if blob else "")


def container_folder(home: Home, container: str) -> Path:
    """Return the folder of a container; raise BlobError for a name no container can have."""
    if container.startswith(".") or not container.replace("-", "").isalnum():
        raise BlobError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")
    return home.blobs / container


def blob_file(folder: Path, blob: str) -> Path:
    """Return the file of a blob in a container's folder; raise BlobError for a name that leads out of it."""
    file = folder / blob
    if "\0" in blob or {".", ".."} & set(blob.split("/")) or not file.resolve().is_relative_to(folder.resolve()):
        raise BlobError(400, "InvalidUri", "The blob's name leads out of its container.")
    return file


def dates(file: Path) -> dict[str, str]:
    """Return the ETag and date that change whenever the file does."""
    state = file.stat()
    etag = f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
    return {"ETag": etag, "Last-Modified": formatdate(state.st_mtime, usegmt=True)}


def read_properties(store: Store, container: str, blob: str) -> Document:
    """Return what was said about the blob: its `metadata` and its `headers`, such as the content type."""
    return store.get(_properties_id(container, blob)) or {"metadata": {}, "headers": {}}


def write_properties(store: Store, container: str, blob: str, properties: Document) -> None:
    """Replace what was said about the blob."""
    store.put(_properties_id(container, blob), properties)


def delete_properties(store: Store, container: str, blob: str) -> None:
    """Forget what was said about the blob."""
    store.delete(_properties_id(container, blob))


def _properties_id(container: str, blob: str) -> str:
    # A hash, since the names of blobs know upper and lower case and ids do not.
    return f"/_emulator/blobs/{sha256(f'{container}/{blob}'.encode()).hexdigest()}"
