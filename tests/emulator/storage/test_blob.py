"""Blobs and containers of the storage account, as azure-storage-blob uses it."""

from __future__ import annotations

import http.client
import os
import socket
import struct
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient, ContentSettings

from mlops.emulator import tls
from mlops.emulator.storage import account
from tests.waiting import wait_for

if TYPE_CHECKING:
    from mlops.emulator.home import Home

# The client cuts everything into pieces of 1,000 bytes.
_PIECES = dict.fromkeys(("max_single_put_size", "max_block_size", "max_single_get_size", "max_chunk_get_size"), 1000)


@pytest.fixture(scope="module")
def service(emulator: Home) -> BlobServiceClient:
    """Return a client of the account that signs with the account's key."""
    key, address = account.key(emulator), f"{emulator.url}/{account.HOST}"
    return BlobServiceClient(address, key, connection_verify=str(emulator.ca), retry_total=0, **_PIECES)


@pytest.fixture
def container(service: BlobServiceClient, unique: str) -> ContainerClient:
    """Return a container of the test's own."""
    return service.create_container(unique)


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
    """A range of a blob is exactly those bytes; one that is none is a 400."""
    container.upload_blob("digits", b"0123456789")
    assert container.download_blob("digits", offset=2, length=3).readall() == b"234"


def test_what_is_said_of_a_blob_is_kept(container: ContainerClient) -> None:
    """Content type and metadata are read back, and change without the bytes."""
    settings = ContentSettings(content_type="text/plain", content_language="en")
    blob = container.upload_blob("blob", b"x", content_settings=settings)
    assert blob.get_blob_properties().content_settings.content_type == "text/plain"
    assert container.download_blob("blob").properties.content_settings.content_language == "en"
    blob.set_http_headers(ContentSettings(content_type="application/json"))
    blob.set_blob_metadata({"a": "1"})
    properties = blob.get_blob_properties()
    assert (properties.content_settings.content_type, properties.metadata) == ("application/json", {"a": "1"})


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


def test_a_writer_may_insist_on_what_it_read(container: ContainerClient) -> None:
    """A write with the ETag of another version is refused."""
    blob = container.upload_blob("blob", b"first")
    etag = blob.get_blob_properties().etag
    blob.upload_blob(b"second", overwrite=True)
    with pytest.raises(ResourceModifiedError):
        blob.upload_blob(b"third", overwrite=True, etag=etag, match_condition=_unmodified())
    assert blob.download_blob().readall() == b"second"


def test_copies_are_whole(container: ContainerClient) -> None:
    """A blob is copied with its metadata, by Copy Blob and by Put Blob From URL."""
    blob = container.upload_blob("a b/original", os.urandom(2500), metadata={"a": "1"})
    for name, copy in (("copied", "start_copy_from_url"), ("put", "upload_blob_from_url")):
        target = container.get_blob_client(name)
        getattr(target, copy)(blob.url)
        assert target.download_blob().readall() == blob.download_blob().readall()
        assert target.get_blob_properties().metadata == {"a": "1"}
    with pytest.raises(ResourceNotFoundError):
        container.get_blob_client("none").start_copy_from_url(f"{blob.url}-missing")
    with pytest.raises(HttpResponseError, match="its own account only"):
        container.get_blob_client("none").start_copy_from_url("https://example.org/elsewhere")


def test_missing_blobs_and_containers_are_404(service: BlobServiceClient, container: ContainerClient) -> None:
    """What is not there is not found; a deleted blob is not there."""
    container.upload_blob("blob", b"x")
    container.delete_blob("blob")
    assert not container.get_blob_client("blob").exists()
    assert not service.get_container_client("no-such-container").exists()
    with pytest.raises(ResourceNotFoundError):
        service.get_container_client("no-such-container").upload_blob("blob", b"x")


def test_containers_come_and_go(service: BlobServiceClient, container: ContainerClient, unique: str) -> None:
    """A container is made once, listed with the others, and deleted with its blobs."""
    container.upload_blob("blob", b"x")
    with pytest.raises(ResourceExistsError):
        service.create_container(unique)
    assert [each.name for each in service.list_containers(name_starts_with=unique)] == [unique]
    container.delete_container()
    assert not container.exists()


@pytest.mark.parametrize(
    "name", ["../escaped", "%2e%2e/escaped", "a/%2e%2e/%2e%2e/escaped", "%2Fetc/escaped", "..%2Fescaped", "a%00escaped"]
)
def test_names_cannot_lead_out_of_the_container(emulator: Home, container: ContainerClient, name: str) -> None:
    """A blob's name is no way to the rest of the disk, even for a client that does not tidy its paths."""
    signature = account.sas(emulator, container.container_name, permissions="rwcl")
    connection = http.client.HTTPSConnection("127.0.0.1", emulator.port, context=tls.client_context(emulator))
    connection.request("PUT", f"/{account.HOST}/{container.container_name}/{name}?{signature}", body=b"x")
    assert 400 <= connection.getresponse().status < 500
    # Other tests delete their containers meanwhile, which ends Path.rglob, but not os.walk.
    assert not [file for _, _, files in os.walk(emulator.root) for file in files if file.endswith("escaped")]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/blob", {"Range": "bytes=a-b"}, 400, "InvalidHeaderValue"),
        ("GET", "/blob", {"Range": "bytes=9-"}, 416, "InvalidRange"),
        ("GET", "?restype=container&comp=list&maxresults=x", {}, 400, "OutOfRangeQueryParameterValue"),
        ("PUT", "/blob?comp=appendblock", {}, 400, "UnsupportedQueryParameter"),
        ("PUT", "/blob?comp=blocklist", {}, 400, "InvalidXmlDocument"),
        ("PUT", "/new", {"x-ms-blob-type": "PageBlob"}, 400, "UnsupportedHeader"),
        ("PUT", "/new", {"Content-Length": str(6000 * 2**20)}, 413, "RequestBodyTooLarge"),
    ],
)
def test_malformed_requests_have_azures_answers(
    emulator: Home, container: ContainerClient, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    """What cannot be understood is refused with a code, never with a failure of the emulator's own."""
    container.upload_blob("blob", b"x")
    signature = account.sas(emulator, container.container_name, permissions="rwcl")
    separator = "&" if "?" in path else "?"
    connection = http.client.HTTPSConnection("127.0.0.1", emulator.port, context=tls.client_context(emulator))
    address = f"/{account.HOST}/{container.container_name}{path}{separator}{signature}"
    connection.putrequest(method, address)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    reply = connection.getresponse()
    assert (reply.status, reply.headers["x-ms-error-code"]) == (status, code)


def test_an_upload_that_breaks_off_is_no_failure(emulator: Home, container: ContainerClient) -> None:
    """A client that is killed leaves no blob, no half file, and no traceback in the emulator's log."""
    path = f"/{account.HOST}/{container.container_name}/half"
    signature = account.sas(emulator, container.container_name, permissions="rwcl")
    connection = http.client.HTTPSConnection("127.0.0.1", emulator.port, context=tls.client_context(emulator))
    connection.putrequest("PUT", f"{path}?{signature}")
    for name, value in {"Content-Length": "1000", "x-ms-blob-type": "BlockBlob"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 10)
    unfinished = emulator.blobs / ".unfinished"
    wait_for(lambda: unfinished.is_dir() and any(unfinished.iterdir()))
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # as if it was killed
    connection.close()
    wait_for(lambda: not any(unfinished.iterdir()))
    assert not container.get_blob_client("half").exists()
    assert "ConnectionResetError" not in emulator.log.read_text()


def _unmodified() -> object:
    from azure.core import MatchConditions

    return MatchConditions.IfNotModified
