"""A job while it runs: the states of its steps, their new log lines, their metrics."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from mlops.credentials import MANAGEMENT_SCOPE
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.workspace.client import Workspace

ENDED: Final = ("Completed", "Failed", "Canceled")
WAITING: Final = ("NotStarted", "Queued", "Preparing", "Provisioning", "Starting", "Unapproved")
USER_LOGS: Final = "user_logs/std_log"
POLL_S: Final = 10.0
TIMEOUT_S: Final = 30.0
METRICS: Final = ("loss", "eval_loss", "epoch", "train_runtime")


@dataclass(frozen=True)
class Step:
    """One step of a job, or the job itself; `logs` maps the names of its logs to addresses."""

    name: str
    title: str
    status: str
    started: datetime | None
    ended: datetime | None
    error: str
    logs: Mapping[str, str]

    @property
    def hours(self) -> float:
        """Return how long the step has had its node."""
        if self.started is None:
            return 0.0
        return ((self.ended or datetime.now(UTC)) - self.started).total_seconds() / 3600


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment: its status, its steps (itself, if it has none), and what these have said since the last.

    `seconds` counts from when it was first looked at.
    """

    seconds: float
    status: str
    steps: tuple[Step, ...]
    lines: tuple[str, ...]

    @property
    def is_waiting(self) -> bool:
        """Return whether no step has got a node yet."""
        return self.status in (*WAITING, "Running") and all(step.status in WAITING for step in self.steps)

    @property
    def hours(self) -> float:
        """Return the hours that the steps have had their nodes."""
        return sum(step.hours for step in self.steps)


@dataclass(frozen=True)
class Point:
    """One value of a metric: at which step, and when (seconds since 1970)."""

    step: int
    value: float
    at: float


def watch(workspace: Workspace, name: str) -> Iterator[Snapshot]:
    """Yield a job's state now and then until it has ended; the last one has ended.

    The SDK's own stream says nothing of a pipeline's steps, ends in silence for a canceled job, and prints it all.
    """
    reader, begin = _Reader(), time.monotonic()
    pause_s = float(os.environ.get("AZUREML_RUN_POLLING_INTERVAL_MIN", POLL_S))  # the variable of the SDK's stream
    while True:
        with azure_errors(f"follow job {name}"):
            job = _step(workspace, name)
            steps = tuple(_leaves(workspace, name)) or (job,)
        lines = tuple(line for step in steps for line in reader.new_lines(step))
        yield Snapshot(time.monotonic() - begin, job.status, steps, lines)
        if job.status in ENDED:
            return
        time.sleep(pause_s)


def metrics(workspace: Workspace, names: tuple[str, ...]) -> dict[str, list[Point]]:
    """Return the history of each training metric, of the first of these runs that has logged a loss.

    Azure's components log to the job itself, ours to its step. Nothing is raised: a job goes on without its metrics.
    """
    import httpx

    with azure_errors("find the metrics of the workspace"):
        uri = workspace.ml.workspaces.get(workspace.ml.workspace_name).mlflow_tracking_uri
        token = workspace.credential.get_token(MANAGEMENT_SCOPE).token
    address = str(uri).replace("azureml://", "https://", 1).rstrip("/") + "/api/2.0/mlflow/metrics/get-history"
    try:
        with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S) as client:
            for name in names:
                if points := _history(client, address, name, "loss"):
                    return {"loss": points} | {key: _history(client, address, name, key) for key in METRICS[1:]}
    except httpx.HTTPError:
        return {}
    return {}


def _history(client: Any, address: str, run: str, metric: str) -> list[Point]:
    reply = client.get(address, params={"run_id": run, "metric_key": metric, "max_results": 25000})
    if reply.status_code != HTTPStatus.OK:
        return []
    found = reply.json().get("metrics", [])
    return [Point(int(each["step"]), float(each["value"]), int(each["timestamp"]) / 1000) for each in found]


def _leaves(workspace: Workspace, name: str) -> Iterator[Step]:
    """Yield the steps of a job that have no steps of their own, in the order they started."""
    for child in workspace.ml.jobs.list(parent_job_name=name):
        if child.type == "pipeline":
            yield from _leaves(workspace, str(child.name))
        else:
            yield _step(workspace, str(child.name), title=str(child.display_name))


def _step(workspace: Workspace, name: str, *, title: str | None = None) -> Step:
    # The SDK has no public way to times and logs of a running job; its own `jobs.stream` takes this one.
    details = workspace.ml.jobs._runs_operations.get_run_details(name)  # noqa: SLF001
    error = details.error.error.message if details.error and details.error.error else ""
    logs = {key: url for key, url in sorted((details.log_files or {}).items()) if key.startswith(USER_LOGS)}
    return Step(name, title or name, details.status, details.start_time_utc, details.end_time_utc, error or "", logs)


@dataclass
class _Reader:
    """Reads each log from where it ended the last time."""

    offsets: dict[tuple[str, str], int] = field(default_factory=dict)
    rests: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def new_lines(self, step: Step) -> Iterator[str]:
        """Yield the whole lines that the first process of a step has written since."""
        import httpx

        for name, url in list(step.logs.items())[:1]:
            key = (step.name, name)
            offset = self.offsets.get(key, 0)
            try:
                reply = httpx.get(url, headers={"Range": f"bytes={offset}-"}, timeout=TIMEOUT_S)
            except httpx.HTTPError:
                return
            if reply.status_code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                return  # 416: nothing new
            self.offsets[key] = offset + len(reply.content)
            *lines, self.rests[key] = (self.rests.get(key, b"") + reply.content).split(b"\n")
            if step.status in ENDED:
                lines.append(self.rests.pop(key))
            yield from (line.decode(errors="replace") for line in lines if line.strip())
