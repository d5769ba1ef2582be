"""What each page shows, gathered from a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.text import Text

from mlops.records import Rollout
from mlops.reports import rollout_report
from mlops.reports.curves import Curve, curve
from mlops.reports.release import Release
from mlops.rollout.state import OVER
from mlops.runs import Run, find_all
from mlops.studio.graph import Graph, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.studio.source import Source
    from mlops.workspace.history import Job
    from mlops.workspace.serving import ModelVersion, Serving, ServingEndpoint

USER_LOGS: Final = "user_logs/"
NOT_BEGUN: Final = frozenset({"NotStarted", "Queued", "Provisioning", "Preparing", "Starting"})


@dataclass(frozen=True)
class Log:
    """A log file of a job or of a step of it; `key` names it in an address."""

    key: str
    of: str
    file: str
    address: str


@dataclass(frozen=True)
class JobView:
    """A job with its steps, their graph and metrics, its logs, and the text of the one that is shown."""

    job: Job
    steps: tuple[Job, ...]
    graph: Graph
    curves: Mapping[str, tuple[Curve, ...]]
    logs: tuple[Log, ...]
    shown: Log | None
    text: str


@dataclass(frozen=True)
class Observed:
    """What the last rollout that a color took part in measured of it, at its last step; errors where it says."""

    run: str
    latency_s: float
    error_rate: float | None


@dataclass(frozen=True)
class EndpointView:
    """An endpoint, what is known of its deployments from rollouts, and the releases that brought them.

    `under_way` is what the runner of a rollout says now, empty without one.
    """

    endpoint: ServingEndpoint
    under_way: str
    observed: Mapping[str, Observed]
    rollouts: tuple[Release, ...]


@dataclass(frozen=True)
class ModelView:
    """A version of the model, the release that made it if its records are here, and who serves it."""

    model: ModelVersion
    release: Release | None
    served: tuple[tuple[str, Serving], ...]


class JobWatch:
    """Look at one job again and again; metrics of what is over are asked for once."""

    def __init__(self, source: Source, name: str, *, log: str = "") -> None:
        self._source, self._name, self._log = source, name, log
        self._bindings = source.bindings(name)
        self._kept: dict[str, tuple[Curve, ...]] = {}

    def look(self) -> JobView:
        """Return the job as it is now."""
        job = self._source.job(self._name)
        steps = tuple(self._source.steps(self._name))
        logs = tuple(log for one in (job, *steps) for log in _logs(one))
        shown = next((log for log in logs if log.key == self._log), _liveliest(logs))
        curves: dict[str, tuple[Curve, ...]] = {}
        for one in (*steps, job):
            drawn = () if one.status in NOT_BEGUN else self._curves(one)
            # Steps write to the whole pipeline, too, what they write to their own run.
            if drawn and drawn not in curves.values():
                curves[one.display_name] = drawn
        # As a terminal shows it: a progress bar only where it ended, and no colors.
        text = Text.from_ansi(self._source.log(shown.address)).plain if shown else ""
        return JobView(job, steps, draw(job.name, steps, self._bindings), curves, logs, shown, text)

    def _curves(self, run: Job) -> tuple[Curve, ...]:
        if run.name in self._kept:
            return self._kept[run.name]
        metrics = self._source.metrics(run.name)
        drawn = (curve(name, [(point.step, point.value) for point in points]) for name, points in metrics.items())
        curves = tuple(one for one in drawn if one)
        if run.is_over:
            self._kept[run.name] = curves
        return curves


def _logs(job: Job) -> Iterator[Log]:
    for file, address in sorted((job.logs or {}).items()):
        yield Log(f"{job.name}/{file}", job.display_name, file, address)


def _liveliest(logs: tuple[Log, ...]) -> Log | None:
    """Return what the youngest step says itself, else the first log there is."""
    return next((log for log in reversed(logs) if log.file.startswith(USER_LOGS)), logs[0] if logs else None)


def releases(source: Source) -> list[Release]:
    """Return what the runs made, the last first."""
    return [release(run) for run in find_all(source.runs)]


def release(run: Run) -> Release:
    """Return a run as one line from data to traffic."""
    return Release(run.name, run.records, run.finished, run.damage)


def endpoint_views(source: Source) -> list[EndpointView]:
    """Return every endpoint with what the rollouts in runs/ measured of it."""
    known = releases(source)
    return [_endpoint(endpoint, known, _under_way(source, endpoint)) for endpoint in source.endpoints()]


def _under_way(source: Source, endpoint: ServingEndpoint) -> str:
    if endpoint.tags.get("rollout-phase") in {None, *OVER}:
        return ""
    said = source.rollout(endpoint.name)
    return "" if said is None or said["released"] else rollout_report.line(said)


def _endpoint(endpoint: ServingEndpoint, releases: list[Release], under_way: str) -> EndpointView:
    rollouts = [release for release in releases if _rolled_out(release, endpoint.name)]
    observed: dict[str, Observed] = {}
    for release in rollouts:
        for name, found in _observed(release):
            observed.setdefault(name, found)
    return EndpointView(endpoint, under_way, observed, tuple(rollouts))


def _rolled_out(release: Release, endpoint: str) -> bool:
    record = release.record(Rollout)
    return record is not None and record.deployment.endpoint == endpoint


def _observed(release: Release) -> Iterator[tuple[str, Observed]]:
    record = release.record(Rollout)
    if record is None or not record.steps:
        return
    last, stable = record.steps[-1], record.deployment.stable
    yield record.deployment.name, Observed(release.name, last.latency_s, last.error_rate)
    if stable and last.stable_latency_s is not None:
        errors = next((found.reference for found in last.findings if found.metric == "errors"), None)
        yield stable, Observed(release.name, last.stable_latency_s, errors)


def model_views(source: Source) -> list[ModelView]:
    """Return the model's versions with the release of each and who serves it now."""
    known = {one.name: one for one in releases(source)}
    doors = source.endpoints()
    return [
        ModelView(
            model,
            known.get(model.tags.get("run", "")),
            tuple(
                (door.name, one)
                for door in doors
                for one in door.deployments
                if one.model == f"{model.name}:{model.version}"
            ),
        )
        for model in source.models()
    ]
