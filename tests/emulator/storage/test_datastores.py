"""Datastores: the four of every workspace, and those one makes, with their secrets apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.ai.ml import Input, command
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AzureBlobDatastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
    Data,
    Datastore,
    SasTokenConfiguration,
)
from azure.ai.ml.entities._credentials import ServicePrincipalConfiguration
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from mlops.emulator.storage import account

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home

_PRINCIPAL = ServicePrincipalConfiguration(tenant_id="t", client_id="c", client_secret="s3cret")  # noqa: S106 - an example
_ELSEWHERE: list[Datastore] = [
    AzureBlobDatastore(
        name="",
        account_name="a",
        container_name="c",
        credentials=SasTokenConfiguration(sas_token="s3cret"),  # noqa: S106 - an example
    ),
    AzureFileDatastore(
        name="", account_name="a", file_share_name="f", credentials=AccountKeyConfiguration(account_key="s3cret")
    ),
    AzureDataLakeGen2Datastore(name="", account_name="a", filesystem="f", credentials=_PRINCIPAL),
]


def test_every_workspace_has_four(ml: MLClient, emulator: Home) -> None:
    """`workspaceblobstore` is the default, and names the emulator as its account; two hold files of the studio."""
    default = ml.datastores.get_default()
    assert default.name == "workspaceblobstore"
    assert default.account_name == f"127.0.0.1:{emulator.port}/emulator"
    assert default.container_name == f"azureml-blobstore-{ml.workspaces.get()._workspace_id}"  # noqa: SLF001 - not public
    names = {"workspaceblobstore", "workspaceartifactstore", "workspacefilestore", "workspaceworkingdirectory"}
    assert names <= {each.name for each in ml.datastores.list()}
    with pytest.raises(ResourceNotFoundError):
        ml.datastores.get("nowhere")
    with pytest.raises(HttpResponseError, match="cannot be deleted"):
        ml.datastores.delete("workspaceblobstore")


@pytest.mark.parametrize("datastore", _ELSEWHERE, ids=lambda each: type(each).__name__)
def test_a_datastore_is_kept_without_its_secrets(ml: MLClient, unique: str, datastore: Datastore) -> None:
    """It is read back as it was made; what opens it is answered only to who asks for that."""
    datastore.name = unique.replace("-", "_")
    ml.datastores.create_or_update(datastore)
    assert ml.datastores.get(datastore.name).account_name == "a"
    assert "s3cret" not in str(vars(ml.datastores.get(datastore.name).credentials))
    assert "s3cret" in str(vars(ml.datastores.get(datastore.name, include_secrets=True).credentials))
    ml.datastores.delete(datastore.name)
    assert datastore.name not in {each.name for each in ml.datastores.list()}


def test_a_datastore_needs_a_proper_name(ml: MLClient) -> None:
    """Lowercase letters, digits and underscores make a name."""
    with pytest.raises(HttpResponseError, match="invalid"):
        ml.datastores.create_or_update(AzureBlobDatastore(name="Big-Name", account_name="a", container_name="c"))


@pytest.mark.parametrize("with_key", [True, False], ids=["key", "identity"])
def test_data_can_lie_in_a_datastore_of_ones_own(
    ml: MLClient, emulator: Home, unique: str, tmp_path: Path, *, with_key: bool
) -> None:
    """A container of the emulator's account takes uploads and serves jobs, opened by the key or by one's identity."""
    name = unique.replace("-", "_")
    credentials = AccountKeyConfiguration(account_key=account.key(emulator)) if with_key else None
    store = AzureBlobDatastore(
        name=name, account_name=account.name(emulator), container_name=unique, credentials=credentials
    )
    (emulator.blobs / unique).mkdir()
    ml.datastores.create_or_update(store)
    (tmp_path / "rows.txt").write_text("one row")
    data = ml.data.create_or_update(Data(name=unique, path=str(tmp_path / "rows.txt"), type="uri_file", datastore=name))
    assert f"/datastores/{name}/paths/" in data.path
    assert [file.read_text() for file in (emulator.blobs / unique).rglob("rows.txt")] == ["one row"]
    if with_key:
        job = command(
            command="grep 'one row' ${{inputs.data}}",
            environment="azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112",
            inputs={"data": Input(type="uri_file", path=data.path)},
        )
        submitted = ml.jobs.create_or_update(job)
        ml.jobs.stream(submitted.name)
        assert ml.jobs.get(submitted.name).status == "Completed"
