"""`mlops bootstrap` against a workspace that is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops.commands.bootstrap import bootstrap
from mlops.errors import InputError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home

MADE = ("workspace", "cluster", "endpoint")


@pytest.fixture
def place(emulator: Home, ml: MLClient, unique: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a workspace that the settings ask for."""
    assert ml
    monkeypatch.setenv("AZUREML_EMULATOR_HOME", str(emulator.root))
    monkeypatch.setenv("MLOPS_WORKSPACE__NAME", unique)
    monkeypatch.setenv("MLOPS_DEPLOY__ENDPOINT", unique)
    return unique


def test_what_is_missing_is_made_once(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A dry run makes nothing; a second run finds everything."""
    assert place
    said = []
    for dry_run in (True, False, True):
        bootstrap("local", "owner/name", "local", dry_run)
        lines = capsys.readouterr().out.splitlines()
        said.append([line[:9].strip() for line in lines if line[11:].startswith(("workspace", "cluster", "endpoint"))])
    assert said == [["to create"] * 3, ["created"] * 3, ["exists"] * 3]


def test_a_repository_has_an_owner(place: str) -> None:
    """What goes into an identity's subject is checked before anything is made."""
    with pytest.raises(InputError, match="must be OWNER/NAME"):
        bootstrap("local", f"{place}; rm -rf", "local", False)
