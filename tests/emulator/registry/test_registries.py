"""Registries of one's own: found by name, filled by upload or from a workspace, used by jobs, and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.entities import BuildContext, Data, Environment, Model, Registry, RegistryRegionDetails
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _create(ml: MLClient, name: str) -> Registry:
    regions = [RegistryRegionDetails(location="local")]
    created: Registry = ml.registries.begin_create(
        Registry(name=name, location="local", replication_locations=regions, tags={"team": "a"})
    ).result()
    return created


@pytest.fixture
def own(ml: MLClient, unique: str) -> Iterator[MLClient]:
    """Return a client of a registry of the test's own."""
    _create(ml, unique)
    yield MLClient(DefaultAzureCredential(), registry_name=unique)
    ml.registries.begin_delete(name=unique).result()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a file of known content."""
    made = tmp_path / "files"
    (made / "deep").mkdir(parents=True)
    (made / "deep" / "weights.txt").write_text("0.25")
    return made


def test_a_registry_lives_in_its_group(ml: MLClient, unique: str) -> None:
    """It is created, read, listed and deleted; its name is taken everywhere, and Microsoft's is in nobody's list."""
    created = _create(ml, unique)
    assert created.id.endswith(f"/resourceGroups/local/providers/Microsoft.MachineLearningServices/registries/{unique}")
    assert ml.registries.get(unique).tags == {"team": "a"}
    listed = [registry.name for registry in ml.registries.list()]
    assert unique in listed
    assert "azureml" not in listed
    elsewhere = MLClient(DefaultAzureCredential(), ml.subscription_id, "another-group")
    with pytest.raises(HttpResponseError, match="taken"):
        _create(elsewhere, unique)
    ml.registries.begin_delete(name=unique).result()
    with pytest.raises(ResourceNotFoundError):
        ml.registries.get(unique)
    with pytest.raises(ResourceNotFoundError):
        MLClient(DefaultAzureCredential(), registry_name=unique)


def test_a_model_is_uploaded_and_comes_back(own: MLClient, unique: str, folder: Path, tmp_path: Path) -> None:
    """A model's files go to the registry's own storage, and download as they were."""
    name = own.models._registry_name  # noqa: SLF001 - the client does not tell it otherwise
    model = own.models.create_or_update(Model(name=unique, version="1", path=str(folder), type="custom_model"))
    assert model.id == f"azureml://registries/{name}/models/{unique}/versions/1"
    assert own.models.get(unique, label="latest").version == "1"
    own.models.download(unique, "1", download_path=str(tmp_path / "got"))
    assert [file.read_text() for file in (tmp_path / "got").rglob("weights.txt")] == ["0.25"]
    assert own.models.create_or_update(Model(name=unique, path=str(folder))).version == "2"


def test_every_kind_of_asset_can_be_there(own: MLClient, unique: str, folder: Path) -> None:
    """Data, an environment with a build context, and a component with its code are kept under the registry's ids."""
    data = own.data.create_or_update(Data(name=unique, version="1", path=str(folder), type="uri_folder"))
    assert data.id.endswith(f"/data/{unique}/versions/1")
    assert data.path.startswith("https://")
    (folder / "Dockerfile").write_text("FROM python:3.11")
    context = Environment(name=unique, version="1", build=BuildContext(path=str(folder)))
    environment = own.environments.create_or_update(context)
    assert environment.build.dockerfile_path == "Dockerfile"
    node = command(
        name=unique.replace("-", "_"),
        version="1",
        code=str(folder),
        command="cat deep/weights.txt",
        environment=environment.id,
    )
    component = own.components.create_or_update(node.component)
    assert component.id.startswith("azureml://registries/")
    assert [each.version for each in own.components.list(component.name)] == ["1"]


def test_a_shared_model_is_a_copy(ml: MLClient, own: MLClient, unique: str, folder: Path, tmp_path: Path) -> None:
    """`models.share` brings a workspace's model into a registry, under a name of its own, once."""
    name = own.models._registry_name  # noqa: SLF001 - the client does not tell it otherwise
    ml.models.create_or_update(Model(name=unique, version="1", path=str(folder)))
    wanted = {"share_with_name": f"{unique}-shared", "share_with_version": "7", "registry_name": name}
    shared = ml.models.share(unique, "1", **wanted)
    assert shared.id == f"azureml://registries/{name}/models/{unique}-shared/versions/7"
    own.models.download(shared.name, "7", download_path=str(tmp_path / "got"))
    assert [file.read_text() for file in (tmp_path / "got").rglob("weights.txt")] == ["0.25"]
    with pytest.raises(ValidationException, match="already exists in registry"):
        ml.models.share(unique, "1", **wanted)


def test_jobs_read_what_a_registry_holds(ml: MLClient, own: MLClient, unique: str, folder: Path) -> None:
    """A registry's model and data are inputs of a job by their ids."""
    model = own.models.create_or_update(Model(name=unique, version="1", path=str(folder)))
    data = own.data.create_or_update(Data(name=unique, version="1", path=str(folder), type="uri_folder"))
    job = ml.jobs.create_or_update(
        command(
            command="cat ${{inputs.model}}/deep/weights.txt ${{inputs.data}}/deep/weights.txt",
            environment="azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112",
            inputs={
                "model": Input(type="custom_model", path=model.id),
                "data": Input(type="uri_folder", path=data.id),
            },
        )
    )
    ml.jobs.stream(job.name)
    assert ml.jobs.get(job.name).status == "Completed"


def test_microsofts_files_download_too(registry: MLClient, ml: MLClient, folder: Path, unique: str) -> None:
    """Nobody shares into Microsoft's registry."""
    ml.models.create_or_update(Model(name=unique, version="1", path=str(folder)))
    with pytest.raises(HttpResponseError, match="permission"):
        ml.models.share(unique, "1", share_with_name=unique, share_with_version="1", registry_name="azureml")
    assert unique not in [model.name for model in registry.models.list()]
