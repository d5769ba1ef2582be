"""`mlops bootstrap` against a workspace that is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops.commands.bootstrap import bootstrap
from mlops.errors import InputError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

MADE = ("workspace", "cluster", "endpoint")


@pytest.fixture
def place(ml: MLClient, unique: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a workspace that the settings ask for."""
    assert ml
    monkeypatch.setenv("MLOPS_WORKSPACE__EMULATOR", "false")  # it runs, and has more workspaces than one
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


@pytest.mark.parametrize("repository", ["…", "OWNER/...", "name", "owner/name; rm -rf"])
def test_a_repository_has_an_owner(repository: str) -> None:
    """What goes into an identity's subject is checked before anything is made."""
    with pytest.raises(InputError, match="must be OWNER/NAME"):
        bootstrap("dev", repository, "local", False)


def test_the_emulators_workspace_needs_no_bootstrap() -> None:
    """It is there from the start; nobody is told to make an identity for it."""
    with pytest.raises(InputError, match=r"--environment local: the emulator makes .* choose .* such as dev"):
        bootstrap("local", "owner/name", "local", False)


def test_a_subscription_is_an_id(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied from a page, dots and all, it would only fail after the sign-in."""
    monkeypatch.setenv("MLOPS_WORKSPACE__SUBSCRIPTION_ID", "…")
    with pytest.raises(InputError, match=r"subscription_id = '…': must be an id as `az account show"):
        bootstrap("dev", "owner/name", place, False)
