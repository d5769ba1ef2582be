"""What each page shows, gathered from a source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rich.text import Text

from mlops.records import Rollout
from mlops.reports.curves import Curve, curve
from mlops.reports.release import Release
from mlops.rollout.state import OVER, Phase
from mlops.runs import Run, find_all
from mlops.studio.graph import Graph, draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.studio.source import Source
    from mlops.workspace.history import Job
    from mlops.workspace.serving import ModelVersion, Serving, ServingEndpoint

USER_LOGS: Final = "user_logs/"
MODELS: Final = ("candidate", "champion", "base")
"""Whose names begin those of an evaluation's metrics."""
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

    def means(self, run: str) -> dict[str, dict[str, float]]:
        """Return what an evaluation measured, by model and metric; nothing of another run."""
        found: dict[str, dict[str, float]] = {model: {} for model in MODELS}
        for one in self.curves[run]:
            model, _, metric = one.name.partition("_")
            if model in MODELS:
                found[model][metric] = one.latest
        return {model: values for model, values in found.items() if values} if found["candidate"] else {}

    def rest(self, run: str) -> list[Curve]:
        """Return the metrics that are no model's means."""
        means = self.means(run)
        return [one for one in self.curves[run] if one.name.partition("_")[0] not in means]


@dataclass(frozen=True)
class Observed:
    """What the last rollout that a deployment took part in measured of it, at its last step; errors where it says."""

    run: str
    latency_s: float
    error_rate: float | None


@dataclass(frozen=True)
class EndpointView:
    """An endpoint, where its rollout stands, what rollouts measured, and the releases that brought its deployments.

    `candidate` is empty while no traffic moves; `observed` is by deployment and the model it served.
    """

    endpoint: ServingEndpoint
    rollout: str
    candidate: str
    observed: Mapping[tuple[str, str], Observed]
    rollouts: tuple[Release, ...]

    @property
    def answering(self) -> tuple[Serving, ...]:
        """Return the deployments that can be asked."""
        return tuple(one for one in self.endpoint.deployments if one.state == "Succeeded")


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
        job = replace(job, error=_plain(job.error))
        steps = tuple(self._source.steps(self._name))
        logs = tuple(log for one in (job, *steps) for log in _logs(one))
        shown = next((log for log in logs if log.key == self._log), _liveliest(logs))
        curves: dict[str, tuple[Curve, ...]] = {}
        for one in (*steps, job):
            drawn = () if one.status in NOT_BEGUN else self._curves(one)
            # Steps write to the whole pipeline, too, what they write to their own run.
            if drawn and drawn not in curves.values():
                curves[one.display_name] = drawn
        text = _plain(self._source.log(shown.address)) if shown else ""
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


def _plain(text: str) -> str:
    """Return a text as a terminal shows it: a progress bar only where it ended, and no colors."""
    return Text.from_ansi(text).plain


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
    return Release(run.name, run.records, run.finished, run.damage, run.since)


def endpoint_views(source: Source) -> list[EndpointView]:
    """Return every endpoint with what the rollouts in runs/ measured of it."""
    known = releases(source)
    return [_endpoint(source, endpoint, known) for endpoint in source.endpoints()]


def _endpoint(source: Source, endpoint: ServingEndpoint, releases: list[Release]) -> EndpointView:
    phase, candidate = endpoint.tags.get("rollout-phase"), endpoint.tags.get("rollout-candidate", "")
    rollouts = [release for release in releases if _rolled_out(release, endpoint.name)]
    observed: dict[tuple[str, str], Observed] = {}
    for release in rollouts:
        for served, found in _observed(release):
            observed.setdefault(served, found)
    moves = phase not in {None, *OVER, Phase.COMMITTED}
    line = "" if phase is None else _line(source, endpoint, phase)
    return EndpointView(endpoint, line, candidate if moves else "", observed, tuple(rollouts))


def _line(source: Source, endpoint: ServingEndpoint, phase: str) -> str:
    """Return where the rollout stands, as its runner says now, else as the tags tell."""
    said = None if phase in OVER else source.rollout(endpoint.name)
    if said is None or said["released"] or "phase" not in said:
        return f"rollout {endpoint.tags['rollout-id']}: {_words(phase)}"
    told = f"rollout, {_words(said['phase'])}: {_requests(said['num_requests'], said['num_failed'], said['latency_s'])}"
    if not said["stable_requests"]:
        return told
    return f"{told}; stable {_requests(said['stable_requests'], said['stable_failed'], said['stable_latency_s'])}"


def _requests(number: int, failed: int, latency_s: float | None) -> str:
    return f"{number} requests, {failed} failed" + ("" if latency_s is None else f", median {latency_s:.2f} s")


def _words(phase: str) -> str:
    return phase.lower().replace("_", " ")


def _rolled_out(release: Release, endpoint: str) -> bool:
    record = release.record(Rollout)
    return record is not None and record.deployment.endpoint == endpoint


def _observed(release: Release) -> Iterator[tuple[tuple[str, str], Observed]]:
    record = release.record(Rollout)
    if record is None or not record.steps:
        return
    last, deployment, model = record.steps[-1], record.deployment, record.deployment.model
    served = deployment.name, f"{model.name}:{model.version}"
    yield served, Observed(release.name, last.latency_s, last.error_rate)
    champion = model.decision.evaluation.champion
    if deployment.stable and champion and last.stable_latency_s is not None:
        errors = next((found.reference for found in last.findings if found.metric == "errors"), None)
        served = deployment.stable, champion.removeprefix("azureml:")
        yield served, Observed(release.name, last.stable_latency_s, errors)


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
