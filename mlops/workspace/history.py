"""The run history: jobs, their steps, logs and metrics, as a person looks at them."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Final

import httpx
import yaml

from mlops.errors import AzureError
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from mlops.workspace.client import Workspace

ENDED: Final = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})
SCOPE: Final = "https://ml.azure.com/.default"
TIMEOUT_S: Final = 30.0
LOG_TAIL_BYTES: Final = 64 * 1024
LOOKUPS: Final = 8
COST: Final = "usd"
"""The tag of a job that says what it cost."""
BINDING: Final = re.compile(r"\$\{\{parent\.jobs\.([\w-]+)\.outputs")


@dataclass(frozen=True)
class Job:
    """A job or a step of one; `started` and `ended` are known of what was looked at alone, `usd` once it is over."""

    name: str
    display_name: str
    experiment: str
    kind: str
    status: str
    created: datetime | None
    parent: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    error: str = ""
    usd: float | None = None
    logs: Mapping[str, str] | None = None
    """Addresses of the log files, which hold a signature: read them, never show them."""

    @property
    def is_over(self) -> bool:
        """Return whether nothing about it will change."""
        return self.status in ENDED

    @property
    def seconds(self) -> float | None:
        """Return how long it took, or None of one that has not ended or was not looked at."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None


@dataclass(frozen=True)
class Point:
    """One value of a metric; `time_s` is when it was logged, in seconds since 1970."""

    step: int
    value: float
    time_s: float


def jobs(workspace: Workspace, *, most: int) -> list[Job]:
    """Return the youngest jobs, youngest first."""
    with azure_errors("list the jobs"):
        return [_job(found) for found in islice(filter(None, workspace.ml.jobs.list()), most)]


def timed(workspace: Workspace, found: Iterable[Job]) -> list[Job]:
    """Return jobs, those that are over with their times and logs: each is looked up by itself, several at once."""
    with azure_errors("look up the jobs' times"), ThreadPoolExecutor(LOOKUPS) as pool:
        return list(pool.map(lambda job: _with_details(workspace, job) if job.is_over else job, found))


def jobs_since(workspace: Workspace, begin: datetime) -> list[Job]:
    """Return the jobs that were made since then, youngest first."""
    with azure_errors("list the jobs"):
        found = map(_job, filter(None, workspace.ml.jobs.list()))
        return list(takewhile(lambda job: job.created is None or job.created >= begin, found))


def job(workspace: Workspace, name: str) -> Job:
    """Return a job or a step with its times and logs.

    Raises AzureError if there is none of that name.
    """
    with azure_errors(f"look up job {name}"):
        return _with_details(workspace, _job(workspace.ml.jobs.get(name)))


def steps(workspace: Workspace, name: str) -> list[Job]:
    """Return the steps of a pipeline that have begun, those of its steps included, in the order they were made."""
    with azure_errors(f"list the steps of job {name}"):
        children = workspace.ml.jobs.list(parent_job_name=name)
        found = [replace(_job(child), parent=name) for child in children if child]
        found.sort(key=lambda child: (child.created is None, child.created))
        return [
            member for child in found for member in (_with_details(workspace, child), *steps(workspace, child.name))
        ]


def bindings(workspace: Workspace, name: str) -> dict[str, frozenset[str]]:
    """Return which steps of a pipeline each of its steps takes data from; empty for a job without steps."""
    written = io.StringIO()
    with azure_errors(f"look up job {name}"):
        workspace.ml.jobs.get(name).dump(written)
    nodes = yaml.safe_load(written.getvalue()).get("jobs") or {}
    return {node: frozenset(BINDING.findall(str(about))) & frozenset(nodes) for node, about in nodes.items()}


def log(address: str) -> str:
    """Return the end of a log file.

    Raises AzureError if it cannot be read.
    """
    try:
        reply = httpx.get(address, timeout=TIMEOUT_S)
        reply.raise_for_status()
    except httpx.HTTPError as error:
        # The address holds a signature, and the error's text may hold the address.
        raise AzureError(f"could not read the log ({type(error).__name__}): try again") from None
    return reply.content[-LOG_TAIL_BYTES:].decode(errors="replace")


def metrics(workspace: Workspace, run: str) -> dict[str, list[Point]]:
    """Return every value of every metric a run has logged to MLflow; empty for a run that MLflow does not know."""
    with azure_errors("find the MLflow server"):
        uri = str(workspace.ml.workspaces.get(workspace.ml.workspace_name).mlflow_tracking_uri)
        token = workspace.credential.get_token(SCOPE).token
    base = re.sub("^azureml:", "https:", uri) + "/api/2.0/mlflow"
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S) as client:
        return dict(_metrics(client, base, run))


def _metrics(client: httpx.Client, base: str, run: str) -> Iterator[tuple[str, list[Point]]]:
    try:
        found = client.get(f"{base}/runs/get", params={"run_id": run})
        if found.status_code == httpx.codes.NOT_FOUND:
            return
        keys = [metric["key"] for metric in found.raise_for_status().json()["run"]["data"].get("metrics", [])]
        for key in sorted(keys):
            query = {"run_id": run, "metric_key": key}
            history = client.get(f"{base}/metrics/get-history", params=query).raise_for_status().json()
            yield key, _points(history.get("metrics", []))
    except httpx.HTTPError as error:
        raise AzureError(f"could not read the metrics of run {run} ({error}): try again") from None


def _points(entries: list[Mapping[str, Any]]) -> list[Point]:
    """Return the values by step; values of one step are in the order they were logged."""
    points = [
        Point(int(entry.get("step") or 0), float(entry["value"]), int(entry["timestamp"]) / 1000) for entry in entries
    ]
    return sorted(points, key=lambda point: (point.step, point.time_s))


def _job(found: Any) -> Job:
    status, cost = str(getattr(found.status, "value", found.status)), (found.tags or {}).get(COST)
    return Job(
        name=found.name,
        display_name=found.display_name or found.name,
        experiment=found.experiment_name or "",
        kind=str(found.type),
        status=status,
        created=found.creation_context.created_at if found.creation_context else None,
        usd=float(cost) if cost else None,
    )


def _with_details(workspace: Workspace, found: Job) -> Job:
    # Of a job's times and logs the SDK tells nowhere else.
    details = workspace.ml.jobs._runs_operations.get_run_details(found.name)  # noqa: SLF001
    return replace(
        found,
        started=details.start_time_utc,
        ended=details.end_time_utc,
        error=_message(details.error),
        logs=dict(details.log_files or {}),
    )


def _message(error: Any) -> str:
    document = error.as_dict() if hasattr(error, "as_dict") else error or {}
    return str((document.get("error") or {}).get("message") or "")
