"""Assets of the workspace, through the SDK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.ai.ml.entities import Data, Model

from mlops.errors import AzureError, RecordError
from mlops.workspace.assets import download_data, download_file, model_tags, register_data, register_model
from mlops.workspace.client import Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@pytest.mark.parametrize("kind", ["uri_folder", "uri_file"])
def test_a_data_asset_comes_back_as_it_was(ml: MLClient, unique: str, tmp_path: Path, kind: str) -> None:
    """What was registered from a file or a folder is downloaded with the same names and bytes."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "rows.jsonl").write_bytes(b"{}\n")
    path = tmp_path / "up" / ("rows.jsonl" if kind == "uri_file" else "")
    ml.data.create_or_update(Data(name=unique, version="1", path=str(path), type=kind))
    got = download_data(Workspace(ml, None), unique, "1", tmp_path / "got")
    file = got if kind == "uri_file" else got / "rows.jsonl"
    assert file.read_bytes() == b"{}\n"


def test_an_asset_that_does_not_exist_is_named(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """The message says what was asked for."""
    with pytest.raises(AzureError, match=f"download data asset {unique}:7"):
        download_data(Workspace(ml, None), unique, "7", tmp_path / "got")


def folder_of_a_model(tmp_path: Path) -> str:
    """Return a folder that looks like an MLflow model."""
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: nothing}}\n")
    return str(tmp_path)


def register(ml: MLClient, name: str, path: str, **tags: str) -> str:
    """Register a model as the stage does, of one job unless another one is named."""
    given = {"finetuning_job": "one"} | tags
    return register_model(Workspace(ml, None), path, name=name, description="card", tags=given, content="model_sha256")


def test_one_file_of_a_folder_is_downloaded(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """By its address in the datastore, as records give it; nothing else is left beside it."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train", "test"):
        (folder / f"{name}.jsonl").write_text(name)
    workspace = Workspace(ml, None)
    _, uri = register_data(workspace, str(folder), name=unique, version="1", tags={})
    (tmp_path / "got").mkdir()
    download_file(workspace, f"{uri}/train.jsonl", tmp_path / "got" / "train.jsonl")
    assert [path.read_text() for path in (tmp_path / "got").iterdir()] == ["train"]


def test_registering_twice_changes_nothing(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """The second time the model is found as it is: a candidate, with the card and the tags of the first."""
    path = folder_of_a_model(tmp_path)
    first = register(ml, unique, path, model_sha256="a", decision_digest="1")
    before = ml.models.get(unique, "1")
    assert register(ml, unique, path, model_sha256="a", decision_digest="1") == first == f"azureml:{unique}:1"
    after = ml.models.get(unique, "1")
    assert after.creation_context.last_modified_at == before.creation_context.last_modified_at
    assert after.tags == {"finetuning_job": "one", "model_sha256": "a", "decision_digest": "1", "stage": "candidate"}
    assert after.description == "card"


def test_a_model_that_is_judged_anew_keeps_its_stage(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """The newer judgement is written on it; who it is among the models only the rollout decides."""
    path = folder_of_a_model(tmp_path)
    register(ml, unique, path, model_sha256="a", decision_digest="1")
    model = ml.models.get(unique, "1")
    model.tags["stage"] = "champion"
    ml.models.create_or_update(model)
    register(ml, unique, path, model_sha256="a", decision_digest="2")
    assert model_tags(Workspace(ml, None), f"azureml:{unique}:1") == {
        "finetuning_job": "one",
        "model_sha256": "a",
        "decision_digest": "2",
        "stage": "champion",
    }


def test_versions_are_numbers_that_azure_counts(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """Each job's model is the next version, after those that others registered; a job's own is found by its tag."""
    path = folder_of_a_model(tmp_path)
    ml.models.create_or_update(Model(name=unique, version="7", path=path, type="mlflow_model"))
    ids = [register(ml, unique, path, finetuning_job=job, model_sha256=job) for job in ("a", "b", "a")]
    assert ids == [f"azureml:{unique}:8", f"azureml:{unique}:9", f"azureml:{unique}:8"]
    assert ml.models.get(unique, "7").tags == {}


def test_another_model_of_the_same_job_is_never_overwritten(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """What stands under the job's name has other files: that is said, nothing is written, and archiving it helps."""
    path = folder_of_a_model(tmp_path)
    register(ml, unique, path, model_sha256="a")
    with pytest.raises(RecordError, match=f"{unique}:1 is registered already as the model of one, and is another"):
        register(ml, unique, path, model_sha256="b")
    assert ml.models.get(unique, "1").tags["model_sha256"] == "a"
    ml.models.archive(unique, version="1")
    assert register(ml, unique, path, model_sha256="b") == f"azureml:{unique}:2"
