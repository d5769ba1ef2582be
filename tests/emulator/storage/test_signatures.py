"""The storage account opens to signatures that are right, in time and wide enough, to its key, and to Entra tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    Services,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from mlops.emulator.storage import account

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops.emulator.home import Home

_SOON = timedelta(minutes=5)


@pytest.fixture
def service(emulator: Home) -> BlobServiceClient:
    """Return a client of the account that signs with the account's key."""
    address = f"{emulator.url}/{account.HOST}"
    return BlobServiceClient(address, account.key(emulator), connection_verify=str(emulator.ca), retry_total=0)


@pytest.fixture
def container(service: BlobServiceClient, unique: str) -> ContainerClient:
    """Return a container of the test's own with one blob in it."""
    client = service.create_container(unique)
    client.upload_blob("folder/a b", b"content")
    return client


def _with(emulator: Home, container: ContainerClient, signature: str) -> ContainerClient:
    address = f"{account.url(emulator, container.container_name)}?{signature}"
    return ContainerClient.from_container_url(address, connection_verify=str(emulator.ca), retry_total=0)


def _sign(emulator: Home, container: ContainerClient, **changes: object) -> str:
    settings = {"permission": "racwdl", "expiry": datetime.now(UTC) + _SOON, **changes}
    name = container.container_name
    return generate_container_sas(account.ACCOUNT, name, account.key(emulator), **settings)


def _read(client: ContainerClient) -> bytes:
    content: bytes = client.download_blob("folder/a b").readall()
    return content


def _code(refused: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(HttpResponseError) as refusal:
        refused()
    return refusal.value.status_code, refusal.value.error_code


def test_a_containers_signature_opens_all_of_it(emulator: Home, container: ContainerClient) -> None:
    """Blobs are read, written, listed and deleted with one signature, and no other container is."""
    client = _with(emulator, container, _sign(emulator, container))
    assert _read(client) == b"content"
    client.upload_blob("new", b"x")
    assert list(client.list_blob_names()) == ["folder/a b", "new"]
    client.delete_blob("new")
    other = ContainerClient.from_container_url(
        client.url.replace(container.container_name, "azureml"), connection_verify=str(emulator.ca), retry_total=0
    )
    assert _code(lambda: list(other.list_blobs())) == (403, "AuthenticationFailed")


def test_a_blobs_signature_opens_the_blob(emulator: Home, container: ContainerClient) -> None:
    """Nothing beside it, and not the container."""
    name, key = container.container_name, account.key(emulator)
    expiry = datetime.now(UTC) + _SOON
    signature = generate_blob_sas(account.ACCOUNT, name, "folder/a b", account_key=key, permission="r", expiry=expiry)
    address = f"{account.url(emulator, name, 'folder/a b')}?{signature}"
    blob = BlobClient.from_blob_url(address, connection_verify=str(emulator.ca))
    assert blob.download_blob().readall() == b"content"
    client = _with(emulator, container, signature)
    assert _code(lambda: client.download_blob("another")) == (403, "AuthenticationFailed")
    assert _code(lambda: list(client.list_blobs())) == (403, "AuthenticationFailed")


def test_an_accounts_signature_opens_what_it_says(emulator: Home, container: ContainerClient) -> None:
    """Its services, resource types and permissions are the limits."""
    key, expiry = account.key(emulator), datetime.now(UTC) + _SOON
    objects = generate_account_sas(account.ACCOUNT, key, resource_types="o", permission="r", expiry=expiry)
    client = _with(emulator, container, objects)
    assert _read(client) == b"content"
    assert _code(lambda: list(client.list_blobs())) == (403, "AuthorizationResourceTypeMismatch")
    assert _code(lambda: client.upload_blob("new", b"x")) == (403, "AuthorizationPermissionMismatch")
    settings = {"resource_types": "o", "permission": "r", "expiry": expiry, "services": Services(fileshare=True)}
    files = _with(emulator, container, generate_account_sas(account.ACCOUNT, key, **settings))
    assert _code(lambda: _read(files)) == (403, "AuthorizationServiceMismatch")


@pytest.mark.parametrize(("bound", "shift"), [("expiry", -_SOON), ("start", _SOON)])
def test_signatures_have_their_time(emulator: Home, container: ContainerClient, bound: str, shift: timedelta) -> None:
    """Before its start and after its expiry a signature opens nothing."""
    client = _with(emulator, container, _sign(emulator, container, **{bound: datetime.now(UTC) + shift}))
    assert _code(lambda: _read(client)) == (403, "AuthenticationFailed")


@pytest.mark.parametrize(("old", "new"), [("sp=r", "sp=rw"), ("sig=", "sig=A"), ("sr=c", "sr=b"), ("se=2", "se=3")])
def test_a_changed_signature_is_none(emulator: Home, container: ContainerClient, old: str, new: str) -> None:
    """Whoever widens what was signed is refused."""
    signature = _sign(emulator, container, permission="r")
    assert old in signature
    client = _with(emulator, container, signature.replace(old, new))
    assert _code(lambda: _read(client)) == (403, "AuthenticationFailed")


def test_permissions_are_the_limit(emulator: Home, container: ContainerClient) -> None:
    """Reading is not writing, creating is not overwriting, writing is not deleting."""
    reader = _with(emulator, container, _sign(emulator, container, permission="r"))
    creator = _with(emulator, container, _sign(emulator, container, permission="c"))
    writer = _with(emulator, container, _sign(emulator, container, permission="w"))
    refused = (403, "AuthorizationPermissionMismatch")
    assert _code(lambda: reader.upload_blob("new", b"x")) == refused
    assert _code(lambda: list(reader.list_blobs())) == refused
    creator.upload_blob("new", b"x")
    assert _code(lambda: creator.upload_blob("new", b"y", overwrite=True)) == refused
    writer.upload_blob("new", b"y", overwrite=True)
    assert _code(lambda: writer.delete_blob("new")) == refused
    assert _code(lambda: _read(writer)) == refused


def test_the_key_must_be_the_accounts(emulator: Home, container: ContainerClient) -> None:
    """Requests signed with another key are refused, and requests without any credential too."""
    address = f"{emulator.url}/{account.HOST}"
    options = {"connection_verify": str(emulator.ca), "retry_total": 0}
    wrong = BlobServiceClient(address, "d3Jvbmc=", **options)
    assert _code(lambda: list(wrong.list_containers())) == (403, "AuthenticationFailed")
    anonymous = ContainerClient(address, container.container_name, **options)
    with pytest.raises(ClientAuthenticationError) as refusal:
        list(anonymous.list_blobs())
    assert (refusal.value.status_code, refusal.value.error_code) == (401, "NoAuthenticationInformation")


def test_entra_tokens_open_the_account(
    emulator: Home, emulator_environment: dict[str, str], container: ContainerClient
) -> None:
    """A token for storage reads and writes as on Azure with the role of a contributor; another token does not."""
    assert emulator_environment
    address, options = f"{emulator.url}/{account.HOST}", {"connection_verify": str(emulator.ca), "retry_total": 0}
    client = ContainerClient(address, container.container_name, DefaultAzureCredential(), **options)
    assert _read(client) == b"content"
    client.upload_blob("new", b"x")
    other = ContainerClient(
        address, container.container_name, DefaultAzureCredential(), audience="https://vault.azure.net", **options
    )
    assert _code(lambda: list(other.list_blobs())) == (401, "InvalidAuthenticationInfo")
