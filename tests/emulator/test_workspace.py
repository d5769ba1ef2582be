"""Workspaces are made, read, listed and deleted, and keep what is theirs to themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import AmlCompute, Data, Model, Workspace
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def _client(ml: MLClient, workspace: str, *, group: str = "local") -> MLClient:
    return MLClient(DefaultAzureCredential(), ml.subscription_id, group, workspace)


@pytest.fixture
def other(ml: MLClient, unique: str) -> Iterator[MLClient]:
    """Return a client of a second workspace, which opens its storage by identity."""
    settings = Workspace(name=unique, location="local", tags={"team": "b"}, system_datastores_auth_mode="identity")
    ml.workspaces.begin_create(settings).result()
    yield _client(ml, unique)
    ml.workspaces.begin_delete(unique, delete_dependent_resources=True).result()


def test_the_default_workspace_exists(ml: MLClient) -> None:
    """The one of `mlops emulator env` is there from the start, with everything the SDK asks it for."""
    workspace = ml.workspaces.get()
    assert (workspace.name, workspace.location) == ("local", "local")
    assert workspace.mlflow_tracking_uri.startswith("https://127.0.0.1:")
    assert workspace.discovery_url.startswith("https://127.0.0.1:")
    assert "local" in [each.name for each in ml.workspaces.list()]


def test_a_misspelt_workspace_does_not_exist(ml: MLClient) -> None:
    """Whatever is asked of it is Azure's 404, which names it and its group."""
    misspelt = _client(ml, "locall")
    text = r"workspaces/locall' under resource group 'local' was not found"
    with pytest.raises(ResourceNotFoundError, match=text):
        ml.workspaces.get("locall")
    with pytest.raises(ResourceNotFoundError, match=text):
        list(misspelt.models.list())
    with pytest.raises(ResourceNotFoundError, match=text):
        misspelt.compute.begin_create_or_update(AmlCompute(name="cluster", size="Standard_DS3_v2", location="local"))
    with pytest.raises(ResourceNotFoundError, match="under resource group 'another'"):
        list(_client(ml, "local", group="another").jobs.list())


def test_a_programs_own_ids_are_taken_as_they_are(ml: MLClient, unique: str, tmp_path: Path) -> None:
    """A workspace of any other subscription is there when it is first named, and keeps its things to itself."""
    (tmp_path / "file.txt").write_text("x")
    own = MLClient(DefaultAzureCredential(), "11111111-2222-3333-4444-555555555555", "my-group", "my-workspace")
    assert own.workspaces.get("my-workspace").name == "my-workspace"
    own.data.create_or_update(Data(name=unique, version="1", path=str(tmp_path / "file.txt"), type="uri_file"))
    assert own.data.get(unique, "1").path.startswith("azureml://subscriptions/11111111-")
    assert unique not in [each.name for each in ml.data.list()]


def test_a_workspace_is_made_from_a_template(ml: MLClient, unique: str) -> None:
    """It keeps what was said of it, has resources of its own, changes, and goes."""
    made = ml.workspaces.begin_create(
        Workspace(name=unique, location="local", description="ours", display_name="Ours", tags={"a": "1"})
    ).result()
    assert (made.description, made.display_name, made.tags["a"]) == ("ours", "Ours", "1")
    assert made.key_vault != ml.workspaces.get().key_vault
    assert made.storage_account.startswith(f"/subscriptions/{ml.subscription_id}/resourceGroups/local/providers/")
    assert unique in [each.name for each in ml.workspaces.list()]
    changed = ml.workspaces.begin_update(Workspace(name=unique, tags={"b": "2"})).result()
    assert (changed.tags, changed.description) == ({"b": "2"}, "ours")
    assert ml.workspaces.get_keys(unique).user_storage_key
    ml.workspaces.begin_delete(unique, delete_dependent_resources=True).result()
    assert unique not in [each.name for each in ml.workspaces.list()]
    with pytest.raises(ResourceNotFoundError):
        ml.workspaces.get(unique)


def test_a_workspace_needs_a_proper_name(ml: MLClient) -> None:
    """Three characters at least, and no sign in front."""
    with pytest.raises(HttpResponseError, match="invalid"):
        ml.workspaces.begin_create(Workspace(name="-x", location="local"))


def test_workspaces_share_nothing(ml: MLClient, other: MLClient, unique: str, tmp_path: Path) -> None:
    """Assets, clusters, datastores and their containers of the same names are different ones."""
    (tmp_path / "file").write_text("x")
    data = Data(name=unique, version="1", path=str(tmp_path / "file"), type="uri_file")
    other.data.create_or_update(data)
    with pytest.raises(ResourceNotFoundError):
        ml.data.get(unique, version="1")
    other.compute.begin_create_or_update(AmlCompute(name=unique, size="Standard_DS3_v2")).result()
    assert unique not in [each.name for each in ml.compute.list()]
    theirs, ours = other.datastores.get_default(), ml.datastores.get_default()
    assert theirs.name == ours.name
    assert theirs.container_name != ours.container_name


def test_jobs_use_their_own_workspaces_storage(ml: MLClient, other: MLClient, unique: str, tmp_path: Path) -> None:
    """A job's output is in its workspace's container, becomes a model there, and is gone with the workspace."""
    (tmp_path / "main.py").write_text("import pathlib, sys; pathlib.Path(sys.argv[1], 'weights').write_text('1')")
    job = other.jobs.create_or_update(
        command(
            command="python main.py ${{outputs.model}}",
            code=str(tmp_path),
            environment="azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112",
            outputs={"model": {"type": "custom_model"}},
        )
    )
    # Not streamed: the SDK signs the addresses of logs with an account's key, and this storage opens by identity.
    wait_for(lambda: other.jobs.get(job.name).status in {"Completed", "Failed", "Canceled"})
    path = f"azureml://jobs/{job.name}/outputs/model"
    model = other.models.create_or_update(Model(name=unique, path=path, type="custom_model"))
    assert f"/workspaces/{unique}/datastores/workspaceblobstore/" in model.path
    other.models.download(unique, "1", download_path=str(tmp_path / "got"))
    assert [file.read_text() for file in (tmp_path / "got").rglob("weights")] == ["1"]
    assert job.name not in [each.name for each in ml.jobs.list()]
