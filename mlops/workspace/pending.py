"""Runs whose training goes on without a runner: the job's own tag says how to go on with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.workspace.client import Workspace

PENDING: Final = "pending"
ENDED: Final = ("Completed", "Failed", "Canceled")


@dataclass(frozen=True)
class Pending:
    """A fine-tuning job that a run waits for; `inputs` are those that start the run's release again."""

    job: str
    status: str
    inputs: Mapping[str, str]

    @property
    def has_ended(self) -> bool:
        """Return whether there is nothing more to wait for."""
        return self.status in ENDED


def mark(workspace: Workspace, job: str, inputs: Mapping[str, str]) -> None:
    """Tag a job as one that a run waits for; the tag's value is at most 256 characters long in Azure."""
    with azure_errors(f"tag job {job}"):
        workspace.ml.jobs.update(job, tags={PENDING: json.dumps(dict(inputs))})


def settle(workspace: Workspace, job: str) -> None:
    """Say on a job that no run waits for it any longer."""
    with azure_errors(f"tag job {job}"):
        workspace.ml.jobs.update(job, tags={PENDING: ""})


def find(workspace: Workspace, environment: str) -> Iterator[Pending]:
    """Yield the jobs that runs of an environment wait for."""
    with azure_errors("list the jobs that runs wait for"):
        tagged = [job for job in workspace.ml.jobs.list(tag=PENDING) if job.tags.get(PENDING)]
    for job in tagged:
        inputs = json.loads(job.tags[PENDING])
        if inputs["environment"] == environment:
            yield Pending(job.name, str(getattr(job.status, "value", job.status)), inputs)
