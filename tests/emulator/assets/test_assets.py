"""Models, code, environments and components: versioned, downloadable, and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.ai.ml import command, dsl
from azure.ai.ml.entities import BuildContext, CommandComponent, Environment, Model
from azure.ai.ml.exceptions import ValidationException
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_ENVIRONMENT = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"
_MLMODEL = "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.model\n    python_version: 3.11\n"


@pytest.fixture
def model_folder(tmp_path: Path) -> Path:
    """Return the folder of a smallest MLflow model."""
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text(_MLMODEL)
    (folder / "data" / "weights").write_text("weights")
    return folder


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


@pytest.mark.parametrize("type_", ["custom_model", "triton_model"])
def test_models_have_types(ml: MLClient, unique: str, model_folder: Path, type_: str) -> None:
    """Any folder can be a model; tags and stage may change, the files may not."""
    ml.models.create_or_update(Model(name=unique, version="1", path=str(model_folder), type=type_, stage="Development"))
    model = ml.models.get(unique, version="1")
    assert (model.type, model.stage) == (type_, "Development")
    model.tags, model.stage = {"a": "1"}, "Production"
    ml.models.create_or_update(model)
    changed = ml.models.get(unique, version="1")
    assert (changed.tags, changed.stage) == ({"a": "1"}, "Production")
    with pytest.raises(ResourceExistsError, match="modelType cannot be changed"):
        ml.models.create_or_update(Model(name=unique, version="1", path=model.path, type="mlflow_model"))


@pytest.mark.parametrize("version", ["0", "01", "1.0", "1f2e"])
def test_versions_of_models_are_positive_integers(ml: MLClient, unique: str, model_folder: Path, version: str) -> None:
    """Other assets may have any text as version, models may not."""
    with pytest.raises(HttpResponseError, match="must be a positive integer") as refused:
        ml.models.create_or_update(Model(name=unique, version=version, path=str(model_folder)))
    assert refused.value.status_code == 400


def test_environments_have_three_sources(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """An image, an image with a conda file, or a build context that is uploaded."""
    (tmp_path / "Dockerfile").write_text("FROM python:3.11")
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11, pip, {pip: [httpx]}]")
    conda = Environment(name=unique, version="1", image="python:3.11", conda_file=str(tmp_path / "conda.yml"))
    assert ml.environments.create_or_update(conda).conda_file["dependencies"][0] == "python=3.11"
    build = Environment(name=unique, version="2", build=BuildContext(path=str(tmp_path)))
    assert ml.environments.create_or_update(build).build.dockerfile_path == "Dockerfile"
    assert ml.environments.create_or_update(build).version == "2"
    assert ml.environments.get(unique, label="latest").version == "2"
    ml.environments.archive(unique, version="2")
    assert [environment.version for environment in ml.environments.list(unique)] == ["1"]
    with pytest.raises(ResourceExistsError, match="image cannot be changed"):
        ml.environments.create_or_update(Environment(name=unique, version="1", image="python:3.12"))


def test_an_environment_without_a_name_is_anonymous(ml: MLClient, tmp_path: Path) -> None:
    """Its version is a hash of its content, so that the same one is made once, and no list shows it."""
    conda = tmp_path / "conda.yml"
    conda.write_text("dependencies: [python=3.11]")
    made = [ml.environments.create_or_update(Environment(image="python:3.11", conda_file=str(conda))) for _ in "ab"]
    assert made[0].id == made[1].id
    assert made[0].name not in [environment.name for environment in ml.environments.list()]


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


def test_a_component_version_never_changes(ml: MLClient, unique: str) -> None:
    """Its labels may; another command needs another version, which the service counts up by itself."""
    name = unique.replace("-", "_")

    def component(text: str, version: str | None = None) -> CommandComponent:
        return CommandComponent(name=name, version=version, command=text, environment=_ENVIRONMENT)

    ml.components.create_or_update(component("echo 1", "1"))
    with pytest.raises(HttpResponseError, match="command cannot be changed"):
        ml.components.create_or_update(component("echo 2", "1"))
    assert ml.components.create_or_update(component("echo 2", "2")).version == "2"
    assert ml.components.get(name, label="latest").command == "echo 2"
    ml.components.archive(name, version="1")
    assert [each.version for each in ml.components.list(name)] == ["2"]


def test_a_pipeline_is_a_component_too(ml: MLClient, unique: str) -> None:
    """Its steps, their bindings and its inputs are read back."""
    step = CommandComponent(
        name=f"{unique.replace('-', '_')}_step",
        version="1",
        command="echo ${{inputs.text}}",
        environment=_ENVIRONMENT,
        inputs={"text": {"type": "string"}},
    )
    registered = ml.components.create_or_update(step)

    @dsl.pipeline(name=unique.replace("-", "_"), version="3")
    def both(text="hello"):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - the SDK reads no quoted types
        registered(text=text)
        registered(text="bye")

    made = ml.components.create_or_update(both().component)
    read = ml.components.get(made.name, version="3")
    assert read.type == "pipeline"
    assert len(read.jobs) == 2
    assert read.inputs["text"]["default"] == "hello"


@pytest.mark.parametrize("name", ["has space", "-dash", "a" * 256])
def test_names_follow_azures_rule(ml: MLClient, name: str, model_folder: Path) -> None:
    """A name is at most 255 letters, digits, dashes, dots and underscores."""
    with pytest.raises(HttpResponseError, match="invalid"):
        ml.models.create_or_update(Model(name=name, version="1", path=str(model_folder)))


@pytest.mark.parametrize("name", ["AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "sklearn-1.5"])
def test_curated_environments_are_in_every_workspace(ml: MLClient, name: str) -> None:
    """Microsoft's environments need not be registered; their latest version is found by name."""
    latest = ml.environments.get(name, label="latest")
    assert (latest.name, latest.version) == (name, "1")
    assert ml.environments.get(name, "9").version == "9"
    assert ml.environments.get(name, "1").image.startswith("mcr.microsoft.com/azureml/curated/")


def test_an_environment_of_ones_own_must_exist(ml: MLClient, unique: str) -> None:
    """Any other name is looked for among what was registered."""
    with pytest.raises(ResourceNotFoundError):
        ml.environments.get(unique, "1")
