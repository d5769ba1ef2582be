"""The runs kept in this folder: how far each came, and what it said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from mlops.errors import InputError, RecordError
from mlops.records import (
    STAGES,
    DataAsset,
    Deployment,
    Evaluation,
    FineTuningJob,
    GateDecision,
    Record,
    RegisteredModel,
    Rollout,
    chain,
)
from mlops.stage import RUNS, load


@dataclass(frozen=True)
class Run:
    """One run: the records of the stages it came through, first to last, and when the last one was written.

    `damage` says what is wrong with the last record, if it cannot be read.
    """

    name: str
    records: Mapping[str, Record]
    finished: datetime
    damage: str | None = None

    @property
    def stage(self) -> str:
        """Return the last stage that left a record."""
        return next(reversed([*self.records]), "")

    @property
    def outcome(self) -> str:
        """Return in a few words how it stands."""
        last = self.records.get(self.stage)
        if self.damage or last is None:
            return "damaged"
        if isinstance(last, GateDecision):
            return last.outcome
        if isinstance(last, Rollout):
            return last.phase.lower().replace("_", " ")
        return "in progress"

    @property
    def metrics(self) -> Mapping[str, float]:
        """Return the candidate's metrics, where they were evaluated."""
        evaluation = self.records.get("evaluate")
        return evaluation.metrics.get("candidate", {}) if isinstance(evaluation, Evaluation) else {}

    @property
    def parameters(self) -> Mapping[str, object]:
        """Return what the model was trained with, where it was."""
        job = self.records.get("finetune")
        return job.parameters if isinstance(job, FineTuningJob) else {}


def made(record: Record) -> str:
    """Return in a line what a stage made."""
    return next(line(record) for kind, line in _LINES.items() if isinstance(record, kind))


def _splits(data: DataAsset) -> str:
    return " + ".join(f"{split.rows:,}" for split in (data.train, data.validation, data.test))


_LINES: Final[Mapping[type[Record], Callable[[Any], str]]] = {
    DataAsset: lambda data: f"{_splits(data)} conversations: {data.id}",
    FineTuningJob: lambda job: f"job {job.name} on {job.compute}: {job.display_name}",
    Evaluation: lambda evaluation: f"{evaluation.num_examples:,} examples; champion: {evaluation.champion or 'none'}",
    GateDecision: lambda decision: f"{decision.verdict}, compared with the {decision.reference}",
    RegisteredModel: lambda model: f"model {model.id}",
    Deployment: lambda deployment: f"{deployment.name} of {deployment.endpoint} on {deployment.instance_type}",
    Rollout: lambda rollout: f"{rollout.phase}: " + ", ".join(f"{k} {v} %" for k, v in rollout.traffic.items()),
}


def find_all(folder: Path = RUNS) -> list[Run]:
    """Return the runs of a folder, the youngest first."""
    found = [_read(place) for place in folder.iterdir() if _last_stage(place)] if folder.is_dir() else []
    return sorted(found, key=lambda run: run.finished, reverse=True)


def find(name: str, folder: Path = RUNS) -> Run:
    """Return a run; raise InputError if there is none of that name, RecordError if its last record was changed."""
    if not _last_stage(folder / name):
        others = ", ".join(run.name for run in find_all(folder)) or "none"
        raise InputError(f"{folder / name} holds no record of a stage; choose one of the runs here: {others}")
    run = _read(folder / name)
    if run.damage:
        raise RecordError(run.damage)
    return run


def _read(folder: Path) -> Run:
    stage = _last_stage(folder)
    finished = datetime.fromtimestamp((folder / f"{stage}.json").stat().st_mtime).astimezone()
    try:
        return Run(folder.name, chain(load(folder, stage)), finished)
    except RecordError as error:
        return Run(folder.name, {}, finished, damage=str(error))


def _last_stage(folder: Path) -> str:
    return next((stage for stage in reversed(STAGES) if (folder / f"{stage}.json").is_file()), "")
