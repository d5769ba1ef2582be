"""What programs find of the machine that the emulator runs on."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# The emulator's own Python.
OWN = Path(sys.executable)
# They neither sign in as whoever started the emulator nor log where that one does.
_PRIVATE = ("AZURE_", "AZUREML_", "ARM_", "MLFLOW_", "GITHUB_", "ACTIONS_", "PYTHONPATH")


def variables(python: Path) -> dict[str, str]:
    """Return the variables of the emulator that are for everyone, with a Python first on the path.

    Logs are followed while they are written, so Python does not hold them back. Jobs and deployments share the
    machine's cores, so OpenMP's threads sleep while they wait: spinning, a training beside a busy program takes twice
    as long.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    path = f"{python.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return {"OMP_WAIT_POLICY": "PASSIVE"} | kept | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def note(log: Path, line: str) -> None:
    """Add a line to a log."""
    with log.open("a") as file:
        file.write(f"{line}\n")
