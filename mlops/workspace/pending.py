"""Runs that wait for their training: the job's own tag says how to go on with them if their runner is lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from mlops.errors import InputError
from mlops.workspace import history, jobs
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mlops.workspace.client import Workspace
    from mlops.workspace.history import Job

PENDING: Final = "pending"
LONGEST_TAG: Final = 256
"""Characters that Azure ML takes as the value of a tag."""
LOST_AFTER: Final = timedelta(minutes=2)
"""A runner that follows a job sees its end within seconds, and settles."""


@dataclass(frozen=True)
class Pending:
    """A fine-tuning job that a run waits for; `inputs` bring the run's release to it again."""

    job: Job
    inputs: Mapping[str, str]

    def is_left(self, now: datetime) -> bool:
        """Return whether the job ended so long ago that nobody follows it."""
        return self.job.is_over and (self.job.ended is None or now - self.job.ended > LOST_AFTER)


def tag(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return the tag of a job that a run waits for.

    Raises InputError if Azure ML would not take it.
    """
    value = json.dumps(dict(inputs), ensure_ascii=False, separators=(",", ":"))
    if len(value) > LONGEST_TAG:
        raise InputError(
            f"{value} must be kept as a tag of the job, to go on with the release if its runner is lost: it has "
            f"{len(value)} characters, {LONGEST_TAG} are the most. Shorten the override or the source, "
            f"and say in a file of settings what variables say"
        )
    return {PENDING: value}


def mark(workspace: Workspace, job: str, inputs: Mapping[str, str]) -> None:
    """Tag a job as one that a run waits for."""
    jobs.set_tags(workspace, job, tag(inputs))


def settle(workspace: Workspace, job: str) -> None:
    """Say on a job that no run waits for it any longer, if one did."""
    if jobs.tags(workspace, job).get(PENDING):
        jobs.set_tags(workspace, job, {PENDING: ""})


def find(workspace: Workspace, environment: str) -> Iterator[Pending]:
    """Yield the jobs that runs of an environment wait for."""
    with azure_errors("list the jobs that runs wait for"):
        tagged = [job for job in workspace.ml.jobs.list(tag=PENDING) if job.tags.get(PENDING)]
    for job in tagged:
        inputs = json.loads(job.tags[PENDING])
        if inputs["environment"] == environment:
            yield Pending(history.job(workspace, job.name), inputs)
