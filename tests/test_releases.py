"""How a release is gone on with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops import releases
from mlops.errors import InputError, RecordError
from mlops.layers import said

BEGAN = {"MLOPS_DATA__PERCENTAGE": "5", "MLOPS_FINETUNE__TRAINING__NUM_TRAIN_EPOCHS": "2"}
ONCE = {"MLOPS_FINETUNE__DETACH": "true", "MLOPS_NOTIFY__WEBHOOK": "https://secret", "MLOPS_WORKSPACE__NAME": "mine"}


def test_a_release_goes_on_with_the_variables_it_began_with(tmp_path: Path) -> None:
    """Kept are those that say what is made: not where, nothing secret, and nothing that was asked of one start."""
    releases.begin(tmp_path / "r", "dev", BEGAN | ONCE | {"HOME": "/", "MLOPS_GATE__OVERRIDE": ""})
    release = releases.find("r", tmp_path)
    assert release.environment == "dev"
    assert release.again(ONCE, done=set()) == BEGAN
    assert "secret" not in (tmp_path / "r" / releases.FILE).read_text()


def test_stages_that_are_not_done_may_be_told_something_else() -> None:
    """Training that failed is mended by other parameters; an inconclusive candidate passes by an override."""
    release = releases.Release(environment="dev", said=said(BEGAN))
    now = {"MLOPS_FINETUNE__TRAINING__NUM_TRAIN_EPOCHS": "1", "MLOPS_GATE__OVERRIDE": "agreed"}
    assert release.again(now, done={"prepare"}) == BEGAN | now


@pytest.mark.parametrize(("began", "told"), [({}, "without it"), (BEGAN, "with 5")])
def test_what_a_stage_that_is_done_was_told_stays(began: dict[str, str], told: str) -> None:
    """Other data would be another model: the variable is named, what it was, and what to do."""
    release = releases.Release(environment="dev", said=said(began))
    with pytest.raises(InputError, match=f"MLOPS_DATA__PERCENTAGE=1: the stage it is for is done, {told},.*Unset it"):
        release.again({"MLOPS_DATA__PERCENTAGE": "1"}, done={"prepare"})


def resume(folder: Path, run: str) -> subprocess.CompletedProcess[str]:
    """Run `mlops runs resume` in a folder."""
    command = [sys.executable, "-m", "mlops.cli", "runs", "resume", run]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_resume_hands_on_what_was_kept(tmp_path: Path) -> None:
    """The release is started in its environment with its variables: here one that no release takes, which it names."""
    releases.begin(tmp_path / "runs" / "r", "local", {"MLOPS_DATA__PERCENTAGE": "500"})
    resumed = resume(tmp_path, "r")
    assert resumed.returncode == InputError.exit_code
    told, variable, *message = resumed.stdout.splitlines()
    assert (told, variable) == ("run r goes on in local, with", "  MLOPS_DATA__PERCENTAGE=500")
    assert message[0].startswith("MLOPS_DATA__PERCENTAGE: data.percentage = 500: ")


def test_a_run_that_no_release_began_is_not_resumed(tmp_path: Path) -> None:
    """Its environment and variables are not known; those that can be are named."""
    assert "begin one: nox -s release" in resume(tmp_path, "mine").stderr
    releases.begin(tmp_path / "runs" / "nightly", "local", {})
    resumed = resume(tmp_path, "mine")
    assert resumed.returncode == InputError.exit_code
    assert "no release began run mine here; choose one of nightly" in resumed.stderr


def test_what_was_kept_and_is_damaged_is_named(tmp_path: Path) -> None:
    """It is not guessed at: the release is started by who knows its variables."""
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / releases.FILE).write_text("{")
    with pytest.raises(RecordError, match=r"r/release\.json was changed by hand: start the release anew with --run r"):
        releases.find("r", tmp_path)
