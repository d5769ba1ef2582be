"""How a release is gone on with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlops import releases
from mlops.commands import runs
from mlops.errors import InputError, RecordError
from mlops.layers import said
from mlops.records import STAGES, Record, seal
from tests.studio.conftest import keep, record, rolled_out

BEGAN = {"MLOPS_DATA__PERCENTAGE": "5", "MLOPS_FINETUNE__TRAINING__NUM_TRAIN_EPOCHS": "2"}
ONCE = {"MLOPS_FINETUNE__DETACH": "true", "MLOPS_NOTIFY__WEBHOOK": "https://secret", "MLOPS_WORKSPACE__NAME": "mine"}


def test_a_release_goes_on_with_the_variables_it_began_with(tmp_path: Path) -> None:
    """Kept are those that say what is made: not where, nothing secret, and nothing that was asked of one start."""
    releases.begin(tmp_path / "r", "dev", BEGAN | ONCE | {"HOME": "/", "MLOPS_GATE__OVERRIDE": ""})
    release = releases.find("r", tmp_path)
    assert release.environment == "dev"
    assert release.again(ONCE, done=set()) == BEGAN
    assert "secret" not in (tmp_path / "r" / releases.FILE).read_text()


@pytest.mark.parametrize(
    ("section", "kept"),
    [
        ({"MLOPS_NOTIFY": "{webhook: https://secret}"}, {}),
        ({"MLOPS_WORKSPACE": "{name: mine}"}, {}),
        ({"MLOPS_FINETUNE": "{detach: true, force: true}"}, {}),
        ({"MLOPS_FINETUNE": "{preset: phi-4, detach: true}"}, {"finetune": '{"preset": "phi-4"}'}),
        ({"MLOPS_FINETUNE": "{preset: phi-4}"}, {"finetune": "{preset: phi-4}"}),
    ],
)
def test_a_section_given_whole_is_kept_without_what_is_for_once(section: dict[str, str], kept: dict[str, str]) -> None:
    """The same as of its fields, however they were said."""
    assert said(section) == kept


@pytest.mark.parametrize(
    ("last", "now"),
    [
        (record("prepare", None), {"MLOPS_FINETUNE__TRAINING__NUM_TRAIN_EPOCHS": "1"}),
        (rolled_out(verdict="inconclusive"), {"MLOPS_GATE__OVERRIDE": "agreed"}),
        (rolled_out(phase="ROLLED_BACK"), {"MLOPS_ROLLOUT__FORCE": "true"}),
    ],
)
def test_stages_that_are_not_done_may_be_told_something_else(tmp_path: Path, last: Record, now: dict[str, str]) -> None:
    """Training that failed is mended by other parameters, doubt by an override; who refused is not done, either."""
    keep(tmp_path, "r", last)
    release = releases.Release(environment="dev", said=said(BEGAN))
    assert release.again(now, done=releases.done("r", tmp_path)) == BEGAN | now


def test_what_is_done_stands_on_what_was_done_before(tmp_path: Path) -> None:
    """A record that was made from another one than lies there now was left by somebody else's work."""
    keep(tmp_path, "r", rolled_out())
    assert releases.done("r", tmp_path) == set(STAGES)
    (tmp_path / "r" / "finetune.json").write_bytes(seal(record("finetune", record("prepare", None), name="other")))
    assert releases.done("r", tmp_path) == {"prepare"}


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


def test_a_release_that_stopped_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is done is not done again; a variable for the stage that refused is handed on."""
    started = list[tuple[list[str], dict[str, str]]]()
    monkeypatch.setattr("os.execve", lambda _, command, variables: started.append((command, variables)))
    monkeypatch.setenv("MLOPS_GATE__OVERRIDE", "agreed")
    monkeypatch.chdir(tmp_path)
    keep(Path("runs"), "r", rolled_out(verdict="inconclusive"))
    releases.begin(Path("runs", "r"), "dev", BEGAN)
    runs.resume("r")
    ((command, variables),) = started
    assert command[2:] == ["pipelines.release", "--environment", "dev", "--run", "r", "--resume"]
    assert BEGAN.items() | {("MLOPS_GATE__OVERRIDE", "agreed")} <= variables.items()
    assert "MLOPS_GATE__OVERRIDE=agreed" in capsys.readouterr().out


def test_a_release_that_has_ended_is_not_gone_on_with(tmp_path: Path) -> None:
    """It would be judged against itself: what became of it is told, and nothing is started or written."""
    keep(tmp_path / "runs", "r", rolled_out(phase="COMMITTED"))
    releases.begin(tmp_path / "runs" / "r", "local", {})
    kept = {path: path.read_bytes() for path in (tmp_path / "runs" / "r").iterdir()}
    resumed = resume(tmp_path, "r")
    assert resumed.returncode == InputError.exit_code
    assert resumed.stderr == "run r has ended: committed; there is nothing to go on with\n"
    assert {path: path.read_bytes() for path in (tmp_path / "runs" / "r").iterdir()} == kept


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
