"""The datastores, and the storage account behind them, as azure-storage-blob uses it."""

from __future__ import annotations

import http.client
import os
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContainerClient

from mlops.emulator import tls
from mlops.emulator.storage.account import HOST, SAS

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home


def _container(emulator: Home, name: str, *, sas: str = f"?{SAS}") -> ContainerClient:
    pieces = ("max_single_put_size", "max_block_size", "max_single_get_size", "max_chunk_get_size")
    return ContainerClient.from_container_url(
        f"{emulator.url}/{HOST}/{name}{sas}",
        connection_verify=str(emulator.ca),
        retry_total=0,
        **dict.fromkeys(pieces, 1000),
    )


@pytest.fixture
def container(emulator: Home, unique: str) -> ContainerClient:
    """Return a container of the test's own, whose client cuts everything into pieces of 1,000 bytes."""
    client = _container(emulator, unique)
    client.create_container()
    return client


def test_the_default_datastore_is_a_blob_container(ml: MLClient) -> None:
    """`workspaceblobstore` is the default, and names the emulator as its account."""
    default = ml.datastores.get_default()
    assert default.name == "workspaceblobstore"
    assert default.account_name.startswith("127.0.0.1:")
    assert {each.name for each in ml.datastores.list()} == {"workspaceblobstore", "workspaceartifactstore"}
    with pytest.raises(ResourceNotFoundError):
        ml.datastores.get("nowhere")


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 10_500])
def test_blobs_come_back_byte_for_byte(container: ContainerClient, size: int) -> None:
    """Whole or in blocks and ranges, what is uploaded is what is downloaded."""
    data = os.urandom(size)
    blob = container.upload_blob("folder/blob with spaces.bin", data, metadata={"origin": "test"})
    assert blob.download_blob().readall() == data
    properties = blob.get_blob_properties()
    assert properties.size == size
    assert properties.metadata == {"origin": "test"}


def test_a_range_is_a_part(container: ContainerClient) -> None:
    """A range of a blob is exactly those bytes."""
    container.upload_blob("digits", b"0123456789")
    assert container.download_blob("digits", offset=2, length=3).readall() == b"234"


def test_lists_follow_prefix_and_delimiter(container: ContainerClient) -> None:
    """A list holds what begins with the prefix, in pages, with folders where a delimiter is given."""
    for name in ("a/1", "a/2", "a/b/3", "ab", "ä&<>"):
        container.upload_blob(name, b"")
    assert list(container.list_blob_names()) == ["a/1", "a/2", "a/b/3", "ab", "ä&<>"]
    paged = container.list_blobs(name_starts_with="a/", results_per_page=1)
    assert [blob.name for blob in paged] == ["a/1", "a/2", "a/b/3"]
    assert {entry.name for entry in container.walk_blobs(name_starts_with="a/")} == {"a/1", "a/2", "a/b/"}


def test_overwriting_must_be_meant(container: ContainerClient) -> None:
    """A second upload fails unless it says `overwrite`; then it replaces bytes and metadata."""
    container.upload_blob("blob", b"first", metadata={"a": "1"})
    with pytest.raises(ResourceExistsError):
        container.upload_blob("blob", b"second")
    blob = container.upload_blob("blob", b"second", overwrite=True)
    assert blob.download_blob().readall() == b"second"
    assert blob.get_blob_properties().metadata == {}


def test_missing_blobs_and_containers_are_404(emulator: Home, container: ContainerClient) -> None:
    """What is not there is not found; a deleted blob is not there."""
    container.upload_blob("blob", b"x")
    container.delete_blob("blob")
    assert not container.get_blob_client("blob").exists()
    assert not _container(emulator, "no-such-container").exists()


@pytest.mark.parametrize(
    "name", ["../escaped", "%2e%2e/escaped", "a/%2e%2e/%2e%2e/escaped", "%2Fetc/escaped", "..%2Fescaped"]
)
def test_names_cannot_lead_out_of_the_container(emulator: Home, container: ContainerClient, name: str) -> None:
    """A blob's name is no way to the rest of the disk, even for a client that does not tidy its paths."""
    connection = http.client.HTTPSConnection("127.0.0.1", emulator.port, context=tls.client_context(emulator))
    connection.request("PUT", f"/{HOST}/{container.container_name}/{name}?{SAS}", body=b"x")
    assert connection.getresponse().status >= 400
    assert not list(emulator.root.rglob("escaped"))


def test_the_signature_is_demanded(emulator: Home) -> None:
    """Without a shared access signature the storage account answers nobody."""
    with pytest.raises(ClientAuthenticationError):
        list(_container(emulator, "azureml-blobstore", sas="").list_blobs())
