"""The workflow files, read once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

GITHUB: Final = Path(__file__).parents[2] / ".github"


@pytest.fixture(scope="session")
def workflows() -> dict[str, dict[str, Any]]:
    """Return every workflow by the name of its file; YAML 1.1 reads the key `on` as True."""
    found = {path.stem: yaml.safe_load(path.read_text()) for path in (GITHUB / "workflows").glob("*.yml")}
    return {name: {"on": file.pop(True), **file} for name, file in found.items()}


@pytest.fixture(scope="session")
def actions() -> dict[str, dict[str, Any]]:
    """Return every action of ours by its name."""
    return {path.parent.name: yaml.safe_load(path.read_text()) for path in (GITHUB / "actions").glob("*/action.yml")}


@pytest.fixture(scope="session")
def jobs(workflows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every job as `workflow/job`."""
    return {f"{name}/{key}": job for name, file in workflows.items() for key, job in file["jobs"].items()}


@pytest.fixture(scope="session")
def steps(jobs: dict[str, Any], actions: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every step of every job and action."""
    of_jobs = [step for job in jobs.values() for step in job.get("steps", [])]
    return of_jobs + [step for action in actions.values() for step in action["runs"]["steps"]]


@pytest.fixture(scope="session")
def uses() -> list[str]:
    """Return every `uses:` of a foreign action with what stands behind it on its line."""
    text = "\n".join(path.read_text() for path in GITHUB.rglob("*.yml"))
    return [line for line in re.findall(r"^ *(?:- )?uses: (.+)", text, re.MULTILINE) if not line.startswith("./")]
