"""One stage on the command line: what it may start from, and what it tells the next job."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mlops.errors import InputError, RecordError
from mlops.records import STAGES, DataAsset, Record, Split, chain, seal
from mlops.settings import load
from mlops.stage import Context, perform, run, standing
from mlops.stage import load as load_record
from pipelines.finetune import SWITCHES
from tests.releases import said
from tests.studio.conftest import keep, rolled_out

SPLIT = Split(rows=1, characters=8, sha256="0" * 64, uri="azureml://x/train.jsonl")
ASSET = DataAsset(
    id="azureml:a:1",
    name="a",
    version="1",
    source="s",
    content_hash="h",
    train=SPLIT,
    validation=SPLIT,
    test=SPLIT,
    quarantined=0,
)


def prepare(_: Context) -> DataAsset:
    """Return a record without work."""
    return ASSET


def test_the_next_job_is_told_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an output of the step, after the record is written."""
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    perform(prepare, Context("local", "r", tmp_path, load("local", variables={}), Console(quiet=True)))
    assert (tmp_path / "output").read_text() == f"digest={ASSET.digest}\n"
    assert (tmp_path / "prepare.json").is_file()


def test_a_record_that_is_missing_is_offered_where_it_is(tmp_path: Path) -> None:
    """Who names a run without the record is told which stage makes it, and which runs have one."""
    perform(prepare, Context("local", "done", tmp_path / "done", load("local", variables={}), Console(quiet=True)))
    with pytest.raises(RecordError, match=r"prepare stage of run local first, or name a run that has one: done$"):
        load_record(tmp_path / "local", "prepare")
    with pytest.raises(RecordError, match=r"run the gate stage of run local first$"):
        load_record(tmp_path / "local", "gate")


def done(stage: str, made: Record, ran: list[str]) -> Callable[..., Record]:
    """Return a stage that says that it ran, and returns a record without work."""

    def work(_: Context, *__: Record) -> Record:
        """Say so."""
        ran.append(stage)
        return made

    work.__name__ = stage
    return work


def release(last: Record, context: Context) -> list[str]:
    """Return the stages that ran when the release of a record was performed."""
    ran = list[str]()
    before: tuple[Record, ...] = ()
    for stage, made in chain(last).items():
        before = (perform(done(stage, made, ran), context, *before),)
    return ran


@pytest.mark.parametrize(
    ("before", "left"),
    [
        (rolled_out(phase="ROLLED_BACK"), ["rollout"]),
        (rolled_out(verdict="inconclusive"), ["gate", "register", "deploy", "rollout"]),
        (rolled_out(), []),
    ],
)
def test_a_release_that_is_resumed_runs_what_is_left(tmp_path: Path, before: Record, left: list[str]) -> None:
    """A stage whose record stands is told as done; from the first that refused on, all are done, and only then."""
    keep(tmp_path, "r", before)
    console = Console(record=True, file=io.StringIO())
    context = Context("local", "r", tmp_path / "r", load("local", variables={}), console)
    assert release(rolled_out(), replace(context, resumed=True)) == left
    assert console.export_text().count("  done before\n") == len(STAGES) - len(left)
    assert release(rolled_out(), context) == list(STAGES)


def test_a_record_made_from_another_one_does_not_stand(tmp_path: Path) -> None:
    """Whatever lies in the folder: what a stage made counts for the very record it was made from."""
    keep(tmp_path, "r", rolled_out())
    job, evaluation = chain(rolled_out())["finetune"], chain(rolled_out())["evaluate"]
    assert standing(tmp_path / "r", "evaluate", job) == evaluation
    assert standing(tmp_path / "r", "evaluate", job.model_copy(update={"name": "other"})) is None


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
from mlops import stage
from mlops.datasets.card import DataCard
from mlops.whole import write_whole
from mlops.reports import data_card

def prepare(context):
    "Write what `prepare` writes."
    context.folder.mkdir(parents=True, exist_ok=True)
    with (context.folder / "prepare.log").open("w") as log:
        log.write("x" * 100)
    data_card.markdown = data_card.html = lambda card: "x" * 10_000
    data_card.write(DataCard.model_construct(), context.folder)

stage.main(prepare)
"""


@pytest.mark.parametrize(("size", "name"), [(50, "runs/r"), (5000, "data-card.md")])
def test_a_full_disk_is_one_clear_message(tmp_path: Path, size: int, name: str) -> None:
    """Whatever a stage was writing, nothing is half-written under its final name."""
    command = [sys.executable, "-W", "ignore", "-c", FULL, str(size), "--environment", "local", "--run", "r"]
    result = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)
    assert result.returncode == InputError.exit_code, result.stderr
    assert "File too large. Make room" in said(result)
    assert name in result.stdout
    assert {path.name for path in (tmp_path / "runs" / "r").iterdir()} <= {"prepare.log", "data-card.json"}


def test_a_record_that_was_exchanged_between_jobs_is_refused(tmp_path: Path) -> None:
    """Its own seal is good, since anybody can make one; the digest that the job before told is another one."""
    path = tmp_path / "runs" / "r" / "prepare.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(seal(ASSET.model_copy(update={"content_hash": "other"})))
    command = [sys.executable, "-m", "pipelines.finetune", "--environment", "local", "--run", "r"]
    own = {"RECORD_DIGEST": ASSET.digest, "AZUREML_EMULATOR_HOME": str(tmp_path / "emulator")}
    result = subprocess.run(command, cwd=tmp_path, env=os.environ | own, capture_output=True, text=True, check=False)
    assert result.returncode == RecordError.exit_code
    assert "the prepare record is not the one that its job left" in said(result)
    assert not (tmp_path / "emulator").exists(), "nothing was started"


@pytest.mark.parametrize("given", [[], ["--force"], ["--detach", "--force"]])
def test_a_switch_is_a_setting(monkeypatch: pytest.MonkeyPatch, given: list[str]) -> None:
    """What the command line switches on is true in the settings, whatever the files say, and nothing else is."""
    seen: list[Context] = []
    monkeypatch.setattr("sys.argv", ["finetune", "--environment", "local", "--run", "r", *given])
    run(seen.append, description=None, switches=SWITCHES)
    finetune = seen[0].settings.finetune
    assert (finetune.detach, finetune.force) == ("--detach" in given, "--force" in given)


def test_a_runs_name_is_a_word(tmp_path: Path) -> None:
    """It becomes a folder, an artifact and a tag: whoever starts a workflow names no other place, and no command."""
    for hostile in ("../elsewhere", '"; touch pwned; $(touch pwned) `touch pwned`\n::error::digest=0'):
        command = [sys.executable, "-m", "pipelines.prepare", "--environment", "local", f"--run={hostile}"]
        own = os.environ | {"GITHUB_OUTPUT": str(tmp_path / "output")}
        result = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
        assert result.returncode == InputError.exit_code
        assert "must be letters, digits and dashes" in said(result)
        assert not [line for line in result.stdout.splitlines() if line.startswith("::")], "GitHub would obey it"
    assert list(tmp_path.iterdir()) == []
