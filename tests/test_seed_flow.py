"""The flow this project began with, as a program that knows nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from mlops.datasets.source import read
from mlops.datasets.validate import problem


@pytest.mark.xdist_group("release")
def test_an_unmodified_program_runs_end_to_end(emulator_environment: dict[str, str], tmp_path: Path) -> None:
    """Sign-in to answer and clean-up, with nothing but environment variables pointing at the emulator."""
    rows = [row for row in read("chitchat") if problem(row) is None][:50]
    for name, part in (("train", rows[:40]), ("test", rows[40:])):
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in part))
    script = Path(__file__).parent / "seed_flow.py"
    result = subprocess.run(
        [sys.executable, str(script), "train.jsonl", "test.jsonl"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **emulator_environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "the endpoint is deleted" in result.stdout
