"""A job while it runs: the states of its steps, and what these have said since one last looked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import httpx

from mlops.errors import AzureError
from mlops.workspace import history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlops.workspace.client import Workspace
    from mlops.workspace.history import Job, Point

WAITING: Final = ("NotStarted", "Queued", "Preparing", "Provisioning", "Starting")
USER_LOGS: Final = "user_logs/std_log"
POLL_S: Final = 10.0
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment: its status, its steps (itself, if it has none), and what these have said since the last.

    `seconds` counts from when it was first looked at.
    """

    seconds: float
    status: str
    steps: tuple[Job, ...]
    lines: tuple[str, ...]

    @property
    def is_waiting(self) -> bool:
        """Return whether no step has got a node yet."""
        return self.status in (*WAITING, "Running") and all(step.status in WAITING for step in self.steps)

    @property
    def hours(self) -> float:
        """Return the hours that the steps have had their nodes: what is paid for."""
        return sum(hours(step) for step in self.steps)


def hours(step: Job) -> float:
    """Return how long a step has had its node."""
    if step.started is None:
        return 0.0
    return ((step.ended or datetime.now(UTC)) - step.started).total_seconds() / 3600


def leaves(steps: Sequence[Job]) -> tuple[Job, ...]:
    """Return the steps that have no steps of their own, which are those that have a node.

    Their kind does not tell them: to the SDK each child of a job is a `base`.
    """
    parents = {step.parent for step in steps}
    return tuple(step for step in steps if step.name not in parents)


def watch(workspace: Workspace, name: str) -> Iterator[Snapshot]:
    """Yield a job's state now and then until it has ended; the last one has ended.

    The SDK's own stream says nothing of a pipeline's steps, ends in silence for a canceled job, and prints it all.
    """
    begin = time.monotonic()
    pause_s = float(os.environ.get("AZUREML_RUN_POLLING_INTERVAL_MAX", POLL_S))  # the variable of the SDK's stream
    with httpx.Client(timeout=TIMEOUT_S) as client:
        reader = _Reader(client)
        while True:
            job = history.job(workspace, name)
            steps = leaves(history.steps(workspace, name)) or (job,)
            lines = tuple(line for step in steps for line in reader.new_lines(step))
            yield Snapshot(time.monotonic() - begin, job.status, steps, lines)
            if job.is_over:
                return
            time.sleep(pause_s)


def curves(workspace: Workspace, name: str, snapshot: Snapshot) -> dict[str, list[Point]]:
    """Return the metrics of the first run that has logged a loss, or none: a job goes on without its metrics.

    Azure's components log to the job itself, ours to its step.
    """
    try:
        for run in (name, *(step.name for step in snapshot.steps)):
            if "loss" in (found := history.metrics(workspace, run)):
                return found
    except AzureError:
        return {}
    return {}


@dataclass
class _Reader:
    """Reads each log from where it ended the last time."""

    client: httpx.Client
    offsets: dict[str, int] = field(default_factory=dict)
    rests: dict[str, bytes] = field(default_factory=dict)

    def new_lines(self, step: Job) -> Iterator[str]:
        """Yield the whole lines that the first process of a step has written since."""
        address = next((url for name, url in sorted((step.logs or {}).items()) if name.startswith(USER_LOGS)), None)
        if address is None:
            return
        offset = self.offsets.get(step.name, 0)
        try:
            reply = self.client.get(address, headers={"Range": f"bytes={offset}-"})
        except httpx.HTTPError:
            return  # the next look reads what this one missed
        if reply.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return  # 416: nothing new
        self.offsets[step.name] = offset + len(reply.content)
        *lines, self.rests[step.name] = (self.rests.get(step.name, b"") + reply.content).split(b"\n")
        if step.is_over:
            lines.append(self.rests.pop(step.name))
        yield from (line.decode(errors="replace") for line in lines if line.strip())
