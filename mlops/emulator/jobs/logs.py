"""The logs of a job, in the artifact store as on Azure ML."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mlops.emulator.storage.account import ARTIFACTS

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.home import Home
    from mlops.emulator.store import Document

PIPELINE = "logs/azureml/executionlogs.txt"
SWEEP = "azureml-logs/hyperdrive.txt"
# What the service says about a step, as opposed to what the step itself says.
SYSTEM = "system_logs/emulator.txt"

_USER = "user_logs/std_log*.txt"
_TAIL_LINES = 20


def root(home: Home) -> Path:
    """Return the folder of the artifact store."""
    return home.blobs / ARTIFACTS


def folder(home: Home, job: str) -> Path:
    """Return the folder of a job's logs and MLflow artifacts."""
    return root(home) / "ExperimentRun" / f"dcid.{job}"


def create(home: Home, run: Document, name: str) -> Path:
    """Return the log file of a run, made if it does not exist."""
    log = folder(home, run["runId"]) / name
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    return log


def note(log: Path, text: str) -> None:
    """Append a line with the time."""
    with log.open("a") as file:
        file.write(f"[{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}] {text}\n")


def tail(home: Home, run: Document) -> tuple[str, str]:
    """Return the name and the last lines of the log of a step's first process."""
    found = [name for name in names(home, run["runId"]) if name.startswith("user_logs/")]
    lines = (folder(home, run["runId"]) / found[0]).read_text(errors="replace").splitlines()
    return found[0], "\n".join(lines[-_TAIL_LINES:])


def names(home: Home, job: str) -> list[str]:
    """Return the log files that exist, by their path in the job's folder."""
    place = folder(home, job)
    found = (file for pattern in (_USER, PIPELINE, SWEEP, SYSTEM) for file in place.glob(pattern))
    return sorted(str(file.relative_to(place)) for file in found)
