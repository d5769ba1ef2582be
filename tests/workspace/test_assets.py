"""Assets of the workspace, through the SDK."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.ai.ml.entities import Data

from mlops.errors import AzureError
from mlops.workspace.assets import download_data
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
