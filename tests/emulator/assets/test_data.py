"""Data assets of the three types, wherever their files lie: versioned, labeled, archived and never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.ai.ml.constants import ListViewType
from azure.ai.ml.entities import Data
from azure.ai.ml.exceptions import MlException
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

_TABLE = "type: mltable\npaths:\n  - pattern: ./*.jsonl\ntransformations:\n  - read_json_lines:\n      encoding: utf8\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that is a table, too."""
    made = tmp_path / "rows"
    made.mkdir()
    (made / "rows.jsonl").write_text('{"a": 1}\n')
    (made / "MLTable").write_text(_TABLE)
    return made


@pytest.mark.parametrize("type_", ["uri_file", "uri_folder", "mltable"])
def test_local_files_are_uploaded(ml: MLClient, unique: str, folder: Path, type_: str) -> None:
    """Each type is read back with a path in the workspace's own storage, and again by its label."""
    path = folder / "rows.jsonl" if type_ == "uri_file" else folder
    made = ml.data.create_or_update(Data(name=unique, path=str(path), type=type_, description="rows", tags={"k": "1"}))
    latest = ml.data.get(unique, label="latest")
    assert (made.version, latest.version, latest.type) == ("1", "1", type_)
    assert (latest.description, latest.tags) == ("rows", {"k": "1"})
    assert f"/workspaces/{ml.workspace_name}/datastores/workspaceblobstore/paths/" in latest.path
    assert latest.id.endswith(f"/workspaces/{ml.workspace_name}/data/{unique}/versions/1")


@pytest.mark.parametrize(
    "path",
    [
        "azureml://datastores/workspaceblobstore/paths/somewhere/rows.jsonl",
        "https://example.blob.core.windows.net/container/rows.jsonl",
        "wasbs://container@account.blob.core.windows.net/rows.jsonl",
    ],
)
def test_a_path_may_lead_anywhere(ml: MLClient, unique: str, path: str) -> None:
    """Datastores and addresses are kept as they are given; nobody looks whether something is there."""
    ml.data.create_or_update(Data(name=unique, version="1", path=path, type="uri_file"))
    assert ml.data.get(unique, version="1").path.endswith(path.removeprefix("azureml://datastores/"))


def test_a_table_needs_its_description(ml: MLClient, unique: str, folder: Path) -> None:
    """A folder without an MLTable file is no table, whether it is here or in storage."""
    plain = ml.data.create_or_update(Data(name=f"{unique}-table", path=str(folder), type="mltable"))
    (folder / "MLTable").unlink()
    with pytest.raises(MlException, match="MLTable"):
        ml.data.create_or_update(Data(name=unique, path=str(folder), type="mltable"))
    nowhere = f"{plain.path.rstrip('/')}/nowhere/"
    with pytest.raises(HttpResponseError, match="holds no MLTable file"):
        ml.data.create_or_update(Data(name=unique, path=nowhere, type="mltable"))


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


def test_an_asset_keeps_its_path(ml: MLClient, unique: str, folder: Path) -> None:
    """A version may get other tags and another description, but never another path: that is a 409."""
    data = Data(name=unique, version="1", path=str(folder), type="uri_folder", tags={"k": "1"})
    path = ml.data.create_or_update(data).path
    relabeled = Data(name=unique, version="1", path=path, type="uri_folder", tags={"k": "2"}, description="new")
    ml.data.create_or_update(relabeled)
    read = ml.data.get(unique, version="1")
    assert (read.tags, read.description) == ({"k": "2"}, "new")
    moved = Data(name=unique, version="1", path="azureml://datastores/workspaceblobstore/paths/x", type="uri_folder")
    with pytest.raises(ResourceExistsError, match=r"\(UserError\).*existing asset's dataUri cannot be changed"):
        ml.data.create_or_update(moved)


def test_a_name_keeps_its_type(ml: MLClient, unique: str, folder: Path) -> None:
    """What began as a file has files as its versions."""
    ml.data.create_or_update(Data(name=unique, path=str(folder / "rows.jsonl"), type="uri_file"))
    with pytest.raises(HttpResponseError, match="is of type uri_file"):
        ml.data.create_or_update(Data(name=unique, path=str(folder), type="uri_folder"))


def test_archived_data_are_hidden_but_there(ml: MLClient, unique: str, folder: Path) -> None:
    """One version or all of a name are hidden from lists, shown when asked for, and restored."""

    def versions(view: ListViewType = ListViewType.ACTIVE_ONLY) -> list[str]:
        return [data.version for data in ml.data.list(unique, list_view_type=view)]

    def is_listed(view: ListViewType = ListViewType.ACTIVE_ONLY) -> bool:
        return unique in [data.name for data in ml.data.list(list_view_type=view)]

    for _ in range(2):
        ml.data.create_or_update(Data(name=unique, path=str(folder), type="uri_folder"))
    ml.data.archive(unique, version="1")
    assert (versions(), versions(ListViewType.ARCHIVED_ONLY), versions(ListViewType.ALL)) == (["2"], ["1"], ["2", "1"])
    ml.data.restore(unique, version="1")
    ml.data.archive(unique)
    assert (versions(), is_listed(), is_listed(ListViewType.ARCHIVED_ONLY)) == ([], False, True)
    assert ml.data.get(unique, version="2").version == "2"
    ml.data.restore(unique)
    assert (versions(), is_listed()) == (["2", "1"], True)


def test_what_is_not_there_is_not_found(ml: MLClient, unique: str) -> None:
    """Unknown names and versions are 404, which the SDK turns into its own errors."""
    with pytest.raises(ResourceNotFoundError):
        ml.data.get(unique, version="1")
    with pytest.raises(MlException, match="does not exist"):
        ml.data.get(unique, label="latest")
