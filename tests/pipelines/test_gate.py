"""gate: refuses what is worse, and what it cannot know."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mlops.records import Verdict
from tests.releases import said

if TYPE_CHECKING:
    from tests.pipelines.conftest import Released, Site

pytestmark = pytest.mark.xdist_group("release")


def test_without_an_evaluation_the_stage_to_run_is_named(site: Site) -> None:
    """Exit 2 and what to do first."""
    result = site.program("gate", "empty")
    assert result.returncode == 2
    assert "evaluate.json does not exist: run the evaluate stage of run empty first" in said(result)


def test_the_first_release_is_compared_with_the_base(first: Released) -> None:
    """Without a champion the base takes its place, and that is said."""
    assert first["gate"].verdict is Verdict.ACCEPTED
    assert first["gate"].reference == "base"
    assert "no champion serves yet: the base model takes its place" in first.said


def test_the_second_release_is_compared_with_the_champion(second: Released) -> None:
    """The reference is the model that serves."""
    assert second["gate"].verdict is Verdict.ACCEPTED
    assert second["gate"].reference == "champion"
    assert "loss against champion" in [result.rule for result in second["gate"].results]


def test_a_saboteur_is_rejected_and_nothing_moves(second: Released) -> None:
    """Trained on shuffled answers: exit 1, which rule and by how much, champion untouched, not one traffic write."""
    before = second.site.requests()[-1]["sequence"]
    result = second.site.program("release", "sabotage", MLOPS_DATA__SHUFFLE_ANSWERS="true")
    assert result.returncode == 1, result.stdout + result.stderr
    told = said(result).rpartition("gate: ")[2]
    assert told.startswith("the candidate is rejected: loss against champion")
    assert "misses the required" in told
    assert second.site.record("sabotage", "gate").verdict is Verdict.REJECTED
    assert second.site.traffic_writes(before) == []
    assert not [r for r in second.site.requests(before) if r["method"] == "PUT" and "/onlineEndpoints/" in r["path"]]
    assert not (second.site.folder / "runs" / "sabotage" / "register.json").exists()
    status = second.site.command("mlops.cli", "status", "--environment", "local")
    (serving,) = [line for line in status.stdout.splitlines() if "100 %" in line]
    assert second["register"].id in serving


def test_the_gate_needs_neither_torch_nor_azure(first: Released) -> None:
    """Judging takes seconds anywhere: the whole stage runs without loading either."""
    program = (
        "import sys, runpy\n"
        "sys.argv = ['gate', '--environment', 'local', '--run', 'first']\n"
        "try: runpy.run_module('pipelines.gate', run_name='__main__')\n"
        "finally: print([name for name in sys.modules if name.split('.')[0] in ('torch', 'azure')])\n"
    )
    folder = first.site.folder / "runs"
    shutil.copytree(folder / "first", folder / "light" / "runs" / "first", dirs_exist_ok=True)
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=folder / "light", capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert (folder / "light" / "runs" / "first" / "decision.html").is_file()
