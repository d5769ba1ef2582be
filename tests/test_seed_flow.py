"""The flow this project began with, as a program that knows nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.datasets.prepare import prepare_splits
from mlops.datasets.settings import DataSettings


@pytest.mark.xdist_group("release")
def test_an_unmodified_program_runs_end_to_end(emulator_environment: dict[str, str], tmp_path: Path) -> None:
    """Sign-in to answer and clean-up, with nothing but environment variables pointing at the emulator."""
    sizes = {"rows": 60, "validation_percentage": 15, "test_percentage": 20, "max_quarantine_percentage": 60}
    settings = DataSettings(source="chitchat", seed=0, workers=1, **sizes)
    prepare_splits(settings, tmp_path / "data", cache=tmp_path / "cache", show=lambda _: None)
    script = Path(__file__).parent / "flows" / "seed_flow.py"
    result = subprocess.run(
        [sys.executable, str(script), "data/train.jsonl", "data/test.jsonl"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **emulator_environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "the endpoint is deleted" in result.stdout
