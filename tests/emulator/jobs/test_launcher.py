"""A launcher begins when the emulator has noted that it exists, and never otherwise."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mlops.emulator.jobs import launcher

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("told", "runs"), [(b"\n", True), (b"", False)])
def test_a_launcher_begins_when_it_is_told_to(tmp_path: Path, told: bytes, runs: bool) -> None:
    """Of an emulator that was killed before it told, the command never runs: no code is left, so the next starts it."""
    plan, made, exit_ = tmp_path / "plan.json", tmp_path / "made", tmp_path / "exit"
    process = {"environment": {}, "log": str(tmp_path / "log")}
    plan.write_text(json.dumps({"command": f"touch {made}", "exit": str(exit_), "processes": [process]}))
    args = [sys.executable, "-IS", launcher.__file__, str(plan)]
    subprocess.run(args, input=told, start_new_session=True, timeout=60, check=False)
    assert (made.exists(), exit_.read_text()) == (runs, "0" if runs else "")
