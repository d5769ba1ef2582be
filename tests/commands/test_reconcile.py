"""Runs whose runner ended before their training did."""

from __future__ import annotations

import os
import shlex
import stat
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from azure.ai.ml import command

from mlops.commands.reconcile import reconcile
from mlops.errors import AzureError, InputError
from mlops.settings import load
from mlops.workspace import pending
from mlops.workspace.client import Workspace, connect
from mlops.workspace.history import ENDED
from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home

pytestmark = pytest.mark.xdist_group("pending")

ENVIRONMENT = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"
LAPTOP = {"override": "it's: agreed", "finetune.training.epochs": "2"}
"""What a release was told on a laptop that release.yml has no input for, beside what it has one for."""


@pytest.fixture
def workspace(emulator_environment: dict[str, str]) -> Workspace:
    """Return the emulator's workspace, opened as a stage opens it."""
    assert emulator_environment
    return connect(load("local", variables={}).workspace)


@pytest.fixture
def gh(tmp_path: Path, emulator: Home, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what `gh` was told: one of ours, that fails if $STATUS says so, in a job of GitHub."""
    program = tmp_path / "gh"
    program.write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" >> {tmp_path}/told\nexit $STATUS\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("AZUREML_EMULATOR_HOME", str(emulator.root))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("STATUS", "0")
    monkeypatch.setattr(pending, "LOST_AFTER", timedelta(0))
    return tmp_path / "told"


def ended(ml: MLClient, line: str) -> str:
    """Return the name of a job that ran a command line to its end."""
    job = ml.jobs.create_or_update(command(command=line, environment=ENVIRONMENT))
    wait_for(lambda: ml.jobs.get(job.name).status in ENDED)
    return str(job.name)


def test_a_run_goes_on_once_when_its_job_has_completed(
    gh: Path,
    ml: MLClient,
    workspace: Workspace,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its release is started with the inputs it had, each one argument; if GitHub refuses, the run waits on."""
    inputs = {"environment": "local", "run": unique, "percentage": "$(touch pwned)\n--ref=evil"}
    pending.mark(workspace, ended(ml, "true"), inputs)
    monkeypatch.setenv("STATUS", "1")
    with pytest.raises(InputError, match=f"gh could not start release.yml for run {unique}"):
        reconcile("local")
    gh.unlink()
    monkeypatch.setenv("STATUS", "0")
    reconcile("local")
    expected = ["workflow", "run", "release.yml"]
    expected += [word for name, value in inputs.items() for word in ("--raw-field", f"{name}={value}")]
    assert gh.read_text() == "\0".join(expected) + "\0"
    reconcile("local")
    assert "no run of local waits for a job" in capsys.readouterr().out


def test_a_run_whose_job_failed_ends_in_red(gh: Path, ml: MLClient, workspace: Workspace, unique: str) -> None:
    """Nothing is started, which would pay again, and it is said once."""
    pending.mark(workspace, ended(ml, "false"), {"environment": "local", "run": unique})
    with pytest.raises(AzureError, match=f"run {unique}: job .* is Failed: start a new release"):
        reconcile("local")
    assert not gh.exists()
    reconcile("local")


def test_a_run_that_github_does_not_start_hides_no_other(
    gh: Path, ml: MLClient, workspace: Workspace, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that failed are told in the same breath, for they are settled; the run that was not started waits on."""
    jobs = [ended(ml, line) for line in ("false", "true", "false")]
    for number, job in enumerate(jobs):
        pending.mark(workspace, job, {"environment": "local", "run": f"{unique}-{number}"})
    monkeypatch.setenv("STATUS", "1")
    with pytest.raises(AzureError) as told:
        reconcile("local")
    refused, *badly = sorted(str(told.value).splitlines())
    assert refused.startswith(f"gh could not start release.yml for run {unique}-1: ")
    assert [line.partition(":")[0] for line in badly] == [f"run {unique}-0", f"run {unique}-2"]
    assert f"run={unique}-1" in gh.read_text()
    (waiting,) = (found for found in pending.find(workspace, "local") if found.inputs["run"].startswith(unique))
    assert waiting.job.name == jobs[1]
    pending.settle(workspace, jobs[1])


def test_a_job_that_has_just_ended_is_left_to_its_runner(
    gh: Path, ml: MLClient, workspace: Workspace, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever follows it is about to go on: a second release of the run would only repeat what that one does."""
    job = ended(ml, "true")
    pending.mark(workspace, job, {"environment": "local", "run": unique})
    monkeypatch.setattr(pending, "LOST_AFTER", timedelta(minutes=5))
    reconcile("local")
    assert not gh.exists()
    pending.settle(workspace, job)
    assert [found for found in pending.find(workspace, "local") if found.inputs["run"] == unique] == []


def check_command(line: str, run: str) -> None:
    """Check that a command goes on with a run and says all that `LAPTOP` says."""
    override, epochs, *command = shlex.split(line.removeprefix("  go on with it: "))
    assert yaml.safe_load(override.removeprefix("MLOPS_GATE__OVERRIDE=")) == "it's: agreed"
    assert epochs == "MLOPS_FINETUNE__TRAINING__EPOCHS=2"
    assert command == ["nox", "-s", "release", "--", "--environment", "local", "--run", run]


def test_elsewhere_than_on_github_a_command_is_told(
    gh: Path,
    ml: MLClient,
    workspace: Workspace,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With all that was said; whoever reads it may run it, and the run waits on."""
    job = ended(ml, "true")
    pending.mark(workspace, job, {"environment": "local", "run": unique} | LAPTOP)
    monkeypatch.delenv("GITHUB_ACTIONS")
    reconcile("local")
    assert [found for found in pending.find(workspace, "local") if found.inputs["run"] == unique]
    pending.settle(workspace, job)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if f"--run {unique}" in line]
    check_command(line, unique)
    assert not gh.exists()


def test_what_github_cannot_go_on_with_ends_in_red_once(
    gh: Path, ml: MLClient, workspace: Workspace, unique: str
) -> None:
    """Nobody reads a green log every quarter of an hour: the setting is named, and the command."""
    pending.mark(workspace, ended(ml, "true"), {"environment": "local", "run": unique} | LAPTOP)
    with pytest.raises(AzureError) as told:
        reconcile("local")
    why, command = str(told.value).splitlines()
    assert why == (
        f"run {unique}: release.yml has no input for finetune.training.epochs: say `mlops runs resume {unique}` where "
        "it began, or elsewhere"
    )
    check_command(command, unique)
    reconcile("local")
    assert not gh.exists()
