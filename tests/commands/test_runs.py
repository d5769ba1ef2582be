"""`mlops runs` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops import releases
from mlops.records import STAGES, DataAsset, Record, Split, chain, seal
from mlops.rollout import journal
from mlops.runs import find, made
from tests.studio.conftest import rolled_out


def asset(name: str) -> DataAsset:
    """Return a small data asset."""
    split = Split(rows=1, characters=8, sha256="0" * 64, uri="azureml://x/train.jsonl")
    values = {"id": f"azureml:{name}:1", "name": name, "version": "1", "source": "s", "content_hash": "h"}
    return DataAsset(**values, quarantined=0, train=split, validation=split, test=split)


def keep(folder: Path, run: str, record: Record, *, when: int) -> Path:
    """Leave a record of a stage in a run's folder, as the stage does."""
    stage = next(name for name, kind in STAGES.items() if isinstance(record, kind))
    path = folder / "runs" / run / f"{stage}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(seal(record))
    os.utime(path, (when, when))
    return path


def mlops(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mlops runs` in a folder."""
    command = [sys.executable, "-m", "mlops.cli", "runs", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two runs, the second younger, and one whose record was edited."""
    keep(tmp_path, "first", asset("one"), when=1_000_000_000)
    keep(tmp_path, "second", asset("two"), when=1_100_000_000)
    edited = keep(tmp_path, "edited", asset("three"), when=900_000_000)
    edited.write_text(edited.read_text().replace('"quarantined": 0', '"quarantined": 7'))
    os.utime(edited, (900_000_000, 900_000_000))
    return tmp_path


def test_runs_are_listed_youngest_first(folder: Path) -> None:
    """Each with its last stage; one whose record was changed is called damaged, and hides no other."""
    listed = json.loads(mlops(folder, "list", "--json").stdout)
    assert [(run["run"], run["stage"], run["outcome"]) for run in listed] == [
        ("second", "prepare", "in progress"),
        ("first", "prepare", "in progress"),
        ("edited", "", "damaged"),
    ]
    table = mlops(folder, "list").stdout
    assert "1/7 prepare" in table
    assert max(map(len, table.splitlines())) <= 100


def test_a_run_shows_what_its_stages_made(folder: Path) -> None:
    """A line per stage, or the whole record as JSON."""
    assert "1 + 1 + 1 conversations: azureml:two:1" in mlops(folder, "show", "second").stdout
    assert json.loads(mlops(folder, "show", "second", "--json").stdout)["id"] == "azureml:two:1"


def test_a_run_that_is_not_there_or_was_changed_is_named(folder: Path) -> None:
    """Exit code 2 and one sentence: which runs there are, or which stage to run again."""
    missing, edited = mlops(folder, "show", "third"), mlops(folder, "show", "edited")
    assert (missing.returncode, edited.returncode) == (2, 2)
    assert (
        missing.stderr == "runs/third holds no record of a stage; choose one of the runs here: second, first, edited\n"
    )
    assert edited.stderr.startswith("runs/edited/prepare.json was changed after it was written")
    assert "Traceback" not in edited.stderr


def test_a_release_is_read_from_its_last_record(tmp_path: Path) -> None:
    """The last record holds those before it: the whole path is there without their files, a line for each stage."""
    keep(tmp_path, "done", rolled_out(), when=1_000_000_000)
    run = find("done", tmp_path / "runs")
    assert list(run.records) == list(STAGES)
    assert run.outcome == "succeeded"
    lines = {stage: made(record) for stage, record in run.records.items()}
    assert lines["gate"] == "accepted, compared with the base"
    assert lines["rollout"] == "ended SUCCEEDED with blue 100 %"


def test_a_release_that_was_taken_back_says_so(tmp_path: Path) -> None:
    """Its record stays as it was; the journal of its rollout, in which orders stand, tells what came after."""
    kept = keep(tmp_path, "done", rolled_out(phase="COMMITTED"), when=1_000_000_000)
    told = journal.of(kept.parent)
    told.write(at=1_000_000_000.0, phase="COMMITTED")
    assert find("done", tmp_path / "runs").outcome == "committed"
    told.write(at=1_000_000_100.0, phase="ROLLED_BACK")
    assert find("done", tmp_path / "runs").outcome == "committed; rolled back 2001-09-09 01:48 UTC"


@pytest.mark.parametrize(
    ("after_s", "phase", "outcome"),
    [
        (100, "ROLLED_BACK", "rolled back 2001-09-09 01:48 UTC"),
        (100, "PAUSED", "paused 2001-09-09 01:48 UTC"),
        (100, "BAKING", "in progress"),
        (-100, "ROLLED_BACK", "in progress"),
    ],
)
def test_a_rollout_that_ended_without_its_stage_says_so(tmp_path: Path, after_s: int, phase: str, outcome: str) -> None:
    """Its runner was lost and left no record; one that moves is under way, and one before the deployment another."""
    kept = keep(tmp_path, "lost", chain(rolled_out())["deploy"], when=1_000_000_000)
    journal.of(kept.parent).write(at=1_000_000_000.0 + after_s, phase=phase)
    assert find("lost", tmp_path / "runs").outcome == outcome


def test_two_runs_are_compared_for_people_and_for_programs(tmp_path: Path) -> None:
    """What differs, a row each, with the figures themselves in JSON; what is the same is left out."""
    keep(tmp_path, "done", rolled_out(), when=1_000_000_000)
    keep(tmp_path, "back", rolled_out(phase="ROLLED_BACK"), when=1_000_000_000)
    keep(tmp_path, "young", asset("one"), when=1_000_000_000)
    compared = json.loads(mlops(tmp_path, "compare", "young", "done", "--json").stdout)
    assert {"kind": "metric", "name": "loss", "first": None, "second": 3.1} in compared
    assert compared[-1] == {"kind": "outcome", "name": "", "first": "in progress", "second": "succeeded"}
    (outcome,) = json.loads(mlops(tmp_path, "compare", "back", "done", "--json").stdout)
    assert outcome["second"] == "succeeded"
    table = mlops(tmp_path, "compare", "back", "done").stdout
    assert "succeeded" in table
    assert "loss" not in table


def test_what_two_runs_were_told_and_made_is_compared(folder: Path) -> None:
    """Settings of data and gate, what variables said, and the data asset: why figures differ, beside the figures."""
    for run, shuffled in (("first", False), ("second", True)):
        card = {"settings": {"shuffle_answers": shuffled, "seed": 0, "drift": {"max_new_percentage": 5}}}
        (folder / "runs" / run / "data-card.json").write_text(json.dumps(card))
    releases.begin(folder / "runs" / "second", "local", {"MLOPS_EVALUATE__NUM_EXAMPLES": "5"})
    compared = json.loads(mlops(folder, "compare", "first", "second", "--json").stdout)
    assert [tuple(row.values()) for row in compared[:-1]] == [
        ("setting", "data.shuffle_answers", False, True),
        ("setting", "evaluate.num_examples", None, "5"),
        ("fact", "data asset", "azureml:one:1", "azureml:two:1"),
    ]


def test_where_there_is_no_run_yet_is_said_how_to_make_one(tmp_path: Path) -> None:
    """An empty folder has no names to choose among."""
    said = mlops(tmp_path, "show", "third").stderr
    assert said == "runs/third holds no record of a stage; make a run: nox -s release\n"
