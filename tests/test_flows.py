"""The classic flows of Azure ML, as programs that know neither this project nor its emulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FLOWS = Path(__file__).parent / "flows"


@pytest.mark.xdist_group("endpoints")
@pytest.mark.parametrize("flow", ["hello_world", "pipeline", "simple_deployment", "safe_rollout", "mlflow_no_code"])
def test_a_program_written_for_azure_runs_unmodified(
    emulator_environment: dict[str, str], tmp_path: Path, flow: str
) -> None:
    """Nothing but environment variables leads a program of the official SDK to the emulator."""
    result = subprocess.run(
        [sys.executable, FLOWS / f"{flow}.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **emulator_environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
