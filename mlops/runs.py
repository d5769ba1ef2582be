"""The runs kept in this folder: how far each came, and what it said."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from mlops import releases
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
    leaves,
)
from mlops.rollout import journal
from mlops.rollout.state import OVER, Phase
from mlops.stage import RUNS, load

AT_REST: Final = OVER | {Phase.COMMITTED, Phase.PAUSED, Phase.BLOCKED}
"""Where a rollout stands when nobody is at work on it."""


@dataclass(frozen=True)
class Run:
    """One run: the records of the stages it came through, first to last, and when the last one was written.

    `damage` says what is wrong with the last record, if it cannot be read; `since` what became of its rollout, and
    when, if that is no longer as its record says, or its stage was lost before it left one.
    """

    name: str
    records: Mapping[str, Record]
    finished: datetime
    damage: str | None = None
    since: str = ""

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
            return "; ".join(filter(None, (_words(last.phase), self.since)))
        return self.since or "in progress"

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

    @property
    def facts(self) -> Mapping[str, object]:
        """Return what its stages worked with and what that took, as far as they came."""
        fields = {name: path.partition(".") for name, path in _FACTS.items()}
        return {
            name: attrgetter(field)(self.records[stage])
            for name, (stage, _, field) in fields.items()
            if stage in self.records
        }


def made(record: Record) -> str:
    """Return in a line what a stage made."""
    return next(line(record) for kind, line in _LINES.items() if isinstance(record, kind))


def _splits(data: DataAsset) -> str:
    return " + ".join(f"{split.rows:,}" for split in (data.train, data.validation, data.test))


def _weights(traffic: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {weight} %" for name, weight in traffic.items()) or "no traffic"


_LINES: Final[Mapping[type[Record], Callable[[Any], str]]] = {
    DataAsset: lambda data: f"{_splits(data)} conversations: {data.id}",
    FineTuningJob: lambda job: f"job {job.name} on {job.compute}: {job.display_name}",
    Evaluation: lambda evaluation: f"{evaluation.num_examples:,} examples; champion: {evaluation.champion or 'none'}",
    GateDecision: lambda decision: f"{decision.verdict}, compared with the {decision.reference}",
    RegisteredModel: lambda model: f"model {model.id}",
    Deployment: lambda deployment: f"{deployment.name} of {deployment.endpoint} on {deployment.instance_type}",
    Rollout: lambda rollout: f"ended {rollout.phase} with {_weights(rollout.traffic)}",
}


_FACTS: Final = {
    "data asset": "prepare.id",
    "data source": "prepare.source",
    "training conversations": "prepare.train.rows",
    "validation conversations": "prepare.validation.rows",
    "test conversations": "prepare.test.rows",
    "quarantined": "prepare.quarantined",
    "foundation model": "finetune.foundation_model",
    "component": "finetune.component",
    "size": "finetune.plan.size",
    "nodes": "finetune.plan.num_nodes",
    "hours": "finetune.measured.hours",
    "USD": "finetune.measured.usd",
    "champion": "evaluate.champion",
    "contamination": "evaluate.contamination",
    "compared with": "gate.reference",
    "override": "gate.override",
    "registered model": "register.id",
    "deployment": "deploy.name",
    "instance type": "deploy.instance_type",
}
"""What is compared of two runs, and where their records have it."""


def settings(run: Run, folder: Path = RUNS) -> dict[str, object]:
    """Return what is known of a run's settings: its data's, its gate's, and what variables said when it was begun."""
    begun, card = folder / run.name / releases.FILE, folder / run.name / "data-card.json"
    said = releases.find(run.name, folder).said if begun.is_file() else {}
    data = json.loads(card.read_bytes())["settings"] if card.is_file() else {}
    decision = run.records.get("gate")
    rules = decision.rules if isinstance(decision, GateDecision) else {}
    return {**said, **dict(leaves(data, "data")), **dict(leaves(rules, "gate"))}


def find_all(folder: Path = RUNS) -> list[Run]:
    """Return the runs of a folder, the youngest first."""
    found = [_read(place) for place in folder.iterdir() if _last_stage(place)] if folder.is_dir() else []
    return sorted(found, key=lambda run: run.finished, reverse=True)


def find(name: str, folder: Path = RUNS) -> Run:
    """Return a run; raise InputError if there is none of that name, RecordError if its last record was changed."""
    if not _last_stage(folder / name):
        others = ", ".join(run.name for run in find_all(folder))
        choice = f"choose one of the runs here: {others}" if others else "make a run: nox -s release"
        raise InputError(f"{folder / name} holds no record of a stage; {choice}")
    run = _read(folder / name)
    if run.damage:
        raise RecordError(run.damage)
    return run


def _read(folder: Path) -> Run:
    stage = _last_stage(folder)
    finished = datetime.fromtimestamp((folder / f"{stage}.json").stat().st_mtime).astimezone()
    try:
        records = chain(load(folder, stage))
        return Run(folder.name, records, finished, since=_since(folder, records[stage], finished))
    except RecordError as error:
        return Run(folder.name, {}, finished, damage=str(error))


def _since(folder: Path, last: Record, finished: datetime) -> str:
    """Return where a rollout stands by its journal, in which later orders stand, too; nothing if that is no news."""
    entries = journal.of(folder).read()
    if not entries:
        return ""
    phase, at = entries[-1]["phase"], datetime.fromtimestamp(entries[-1]["at"], UTC)
    came_back = isinstance(last, Rollout) and phase != last.phase
    ended_alone = isinstance(last, Deployment) and phase in AT_REST and at > finished
    return f"{_words(phase)} {at:%Y-%m-%d %H:%M} UTC" if came_back or ended_alone else ""


def _words(phase: str) -> str:
    return phase.lower().replace("_", " ")


def _last_stage(folder: Path) -> str:
    return next((stage for stage in reversed(STAGES) if (folder / f"{stage}.json").is_file()), "")
