"""Data, models, code, environments and components: versioned, downloadable, and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import Data, Environment, Model
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_MLMODEL = "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    python_version: 3.11\n"


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """Return the folder of a smallest MLflow model."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text(_MLMODEL)
    (folder / "data" / "weights").write_text("weights")
    return folder


def test_versions_count_up_by_themselves(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """A version that is not given is one more than the highest; the latest is the youngest."""
    file = tmp_path / "rows.jsonl"
    for text in ("1", "2"):
        file.write_text(text)
        ml.data.create_or_update(Data(name=unique, path=str(file), type="uri_file"))
    ml.data.create_or_update(Data(name=unique, version="pinned", path=str(file), type="uri_file"))
    assert [data.version for data in ml.data.list(unique)] == ["pinned", "2", "1"]
    assert ml.data.get(unique, label="latest").version == "pinned"
    assert ml.data.create_or_update(Data(name=unique, path=str(file), type="uri_file")).version == "3"


def test_an_asset_keeps_its_path(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """A version may get other tags and another description, but never another path."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("x")
    data = Data(name=unique, version="1", path=str(tmp_path / "a"), type="uri_folder", tags={"k": "1"})
    path = ml.data.create_or_update(data).path
    relabeled = ml.data.create_or_update(Data(name=unique, version="1", path=path, type="uri_folder", tags={"k": "2"}))
    assert relabeled.tags == {"k": "2"}
    moved = Data(name=unique, version="1", path="azureml://datastores/workspaceblobstore/paths/x", type="uri_folder")
    with pytest.raises(HttpResponseError, match="Asset paths cannot be updated"):
        ml.data.create_or_update(moved)


def test_a_model_tells_its_flavors_and_comes_back(
    ml: MLClient, unique: str, model_folder: Path, tmp_path: Path
) -> None:
    """An MLflow model has the flavors of its MLmodel file, and downloads as it was uploaded."""
    model = ml.models.create_or_update(
        Model(name=unique, path=str(model_folder), type="mlflow_model", properties={"hash": "abc"})
    )
    assert model.version == "1"
    assert model.flavors["python_function"]["loader_module"] == "mlflow.pyfunc.model"
    assert model.properties == {"hash": "abc"}
    ml.models.download(unique, "1", download_path=str(tmp_path / "got"))
    assert (tmp_path / "got" / unique / "model" / "data" / "weights").read_text() == "weights"


def test_a_model_needs_its_files(ml: MLClient, unique: str) -> None:
    """A model whose path is empty is refused: it would fail much later, at deployment."""
    nowhere = "azureml://datastores/workspaceblobstore/paths/nowhere"
    with pytest.raises(HttpResponseError, match="ModelAssetPathNotFoundInStorage"):
        ml.models.create_or_update(Model(name=unique, path=nowhere, type="custom_model"))


def test_an_mlflow_model_needs_its_mlmodel(ml: MLClient, unique: str, model_folder: Path) -> None:
    """A folder without an MLmodel file is no MLflow model."""
    (model_folder / "MLmodel").unlink()
    with pytest.raises(HttpResponseError, match="no MLmodel file"):
        ml.models.create_or_update(Model(name=unique, path=str(model_folder), type="mlflow_model"))


def test_archived_versions_are_hidden_but_there(ml: MLClient, unique: str, model_folder: Path) -> None:
    """Archiving hides a version from lists, not from who knows it; restoring shows it again."""
    ml.models.create_or_update(Model(name=unique, path=str(model_folder)))
    ml.models.create_or_update(Model(name=unique, path=str(model_folder)))
    ml.models.archive(unique, version="1")
    assert [model.version for model in ml.models.list(unique)] == ["2"]
    assert ml.models.get(unique, version="1").version == "1"
    ml.models.restore(unique, version="1")
    assert [model.version for model in ml.models.list(unique)] == ["2", "1"]


def test_what_is_not_there_is_not_found(ml: MLClient, unique: str) -> None:
    """Unknown names and versions are 404, which the SDK turns into its own errors."""
    with pytest.raises(ResourceNotFoundError):
        ml.models.get(unique, version="1")
    with pytest.raises(ValidationException, match="does not exist"):
        ml.models.get(unique, label="latest")


def test_another_environment_is_another_version(ml: MLClient, unique: str) -> None:
    """Without a version the SDK keeps an unchanged environment and makes a new version of a changed one."""
    images = ("python:3.11", "python:3.11", "python:3.12")
    made = [ml.environments.create_or_update(Environment(name=unique, image=image)) for image in images]
    assert [environment.version for environment in made] == ["1", "1", "2"]


def test_a_component_is_kept_with_its_interface(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """A command with code and environment registers as a component, and reads back with its inputs."""
    name = unique.replace("-", "_")  # the SDK's own rule for components
    (tmp_path / "main.py").write_text("print('hello')")
    ml.environments.create_or_update(Environment(name=unique, image="python:3.11"))
    node = command(
        name=name,
        version="1",
        code=str(tmp_path),
        command="python main.py ${{inputs.count}}",
        environment=f"azureml:{unique}:1",
        inputs={"count": {"type": "integer", "default": 3, "optional": True}},
    )
    ml.components.create_or_update(node.component)
    component = ml.components.get(name)
    assert component.version == "1"
    assert component.inputs["count"]["default"] == 3
    assert component.command == "python main.py ${{inputs.count}}"


@pytest.mark.parametrize("name", ["has space", "-dash", "a" * 256])
def test_names_follow_azures_rule(ml: MLClient, name: str, model_folder: Path) -> None:
    """A name is at most 255 letters, digits, dashes, dots and underscores."""
    with pytest.raises(HttpResponseError, match="invalid"):
        ml.models.create_or_update(Model(name=name, version="1", path=str(model_folder)))
