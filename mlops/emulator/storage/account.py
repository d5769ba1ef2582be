"""The storage account: a folder of containers, each a folder of blobs, with their metadata in the store."""

from __future__ import annotations

from email.utils import formatdate
from hashlib import sha256
from typing import TYPE_CHECKING

from mlops.emulator.errors import BlobError

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.home import Home
    from mlops.emulator.store import Store

ACCOUNT = "emulator"
# The path-style name of the account: the SDK makes it of the account's name and the cloud's suffix `localhost`.
HOST = f"{ACCOUNT}.blob.localhost"
# The containers of the datastores that every workspace has.
CONTAINERS = {"workspaceblobstore": "azureml-blobstore", "workspaceartifactstore": "azureml"}
# Shared access signatures are not checked here, only demanded.
SAS = "sv=2024-11-04&ss=b&srt=sco&sp=rwdlac&se=2099-12-31T00%3A00%3A00Z&sig=emulator"


def container_folder(home: Home, container: str) -> Path:
    """Return the folder of a container; raise BlobError for a name no container can have."""
    if container.startswith("."):
        raise BlobError(400, "InvalidResourceName", "The specified container name is not valid.")
    return home.blobs / container


def blob_file(folder: Path, blob: str) -> Path:
    """Return the file of a blob in a container's folder; raise BlobError for a name that leads out of it."""
    file = folder / blob
    if {".", ".."} & set(blob.split("/")) or not file.resolve().is_relative_to(folder.resolve()):
        raise BlobError(400, "InvalidUri", "The blob's name leads out of its container.")
    return file


def dates(file: Path) -> dict[str, str]:
    """Return the ETag and date that change whenever the file does."""
    state = file.stat()
    etag = f'"{state.st_mtime_ns:x}-{state.st_size:x}"'
    return {"ETag": etag, "Last-Modified": formatdate(state.st_mtime, usegmt=True)}


def read_metadata(store: Store, container: str, blob: str) -> dict[str, str]:
    """Return what `x-ms-meta-…` headers said about the blob."""
    return store.get(_metadata_id(container, blob)) or {}


def write_metadata(store: Store, container: str, blob: str, metadata: dict[str, str]) -> None:
    """Replace the blob's metadata."""
    store.put(_metadata_id(container, blob), metadata)


def delete_metadata(store: Store, container: str, blob: str) -> None:
    """Forget the blob's metadata."""
    store.delete(_metadata_id(container, blob))


def _metadata_id(container: str, blob: str) -> str:
    # A hash, since the names of blobs know upper and lower case and ids do not.
    return f"/_emulator/blobs/{sha256(f'{container}/{blob}'.encode()).hexdigest()}"
