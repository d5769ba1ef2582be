"""A release as one line: the seven records of a run, from data to traffic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

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
)

if TYPE_CHECKING:
    from datetime import datetime

R = TypeVar("R", bound=Record)
State = Literal["done", "refused", "open", "next"]
SAID: Final[Mapping[State, str]] = {
    "done": "done",
    "refused": "refused",
    "open": "not reached",
    "next": "still to come",
}


@dataclass(frozen=True)
class Link:
    """A stage of a release: what it came to in a few words, and the name of what it made."""

    stage: str
    state: State
    fact: str = ""
    made: str = ""

    @property
    def said(self) -> str:
        """Return the state in words."""
        return SAID[self.state]


@dataclass(frozen=True)
class Release:
    """A run's records by their stages, and when the last one was written.

    `damage` says why there are none where there should be some; `since` what became of the rollout after its record, or
    without one.
    """

    name: str
    records: Mapping[str, Record]
    finished: datetime
    damage: str | None = None
    since: str = ""

    def record(self, kind: type[R]) -> R | None:
        """Return the record of a kind, or None if the run did not come so far."""
        return next((record for record in self.records.values() if isinstance(record, kind)), None)

    @property
    def refusal(self) -> str | None:
        """Return why the path ended, or None."""
        return next((record.refusal for record in self.records.values() if record.refusal), None)

    @property
    def links(self) -> tuple[Link, ...]:
        """Return all seven stages in order, the ones that were not reached or may still come included."""
        return tuple(
            _link(stage, self.records[stage]) if stage in self.records else self._missing(stage) for stage in STAGES
        )

    def _missing(self, stage: str) -> Link:
        return Link(stage, "open" if self.refusal else "next", self.since if stage == "rollout" else "")


def _link(stage: str, record: Record) -> Link:
    return Link(stage, "refused" if record.refusal else "done", *_words(record))


def _words(record: Record) -> tuple[str, str]:
    """Return what a record came to, and the name of what its stage made."""
    return next(words(record) for kind, words in _WORDS.items() if isinstance(record, kind))


_WORDS: Final[Mapping[type[Record], Callable[[Any], tuple[str, str]]]] = {
    DataAsset: lambda data: (_conversations(data.train.rows), f"{data.name}:{data.version}"),
    FineTuningJob: lambda job: (job.display_name, job.name),
    Evaluation: lambda evaluation: (f"loss {evaluation.metrics['candidate']['loss']:.3f}", evaluation.name),
    GateDecision: lambda decision: (decision.outcome, f"against the {decision.reference}"),
    RegisteredModel: lambda model: ("registered", f"{model.name}:{model.version}"),
    Deployment: lambda deployment: (deployment.name, deployment.endpoint),
    Rollout: lambda rollout: (_share(rollout), rollout.phase.lower().replace("_", " ")),
}


def _conversations(number: int) -> str:
    return f"{number:,} conversation" + ("" if number == 1 else "s")


def _share(rollout: Rollout) -> str:
    """Return with what the rollout ended: the model may have been replaced since."""
    return f"ended at {rollout.traffic.get(rollout.deployment.name, 0)} % of the traffic"
