"""How traffic moved."""

from __future__ import annotations

from mlops.records.delivery import Answer, Deployment
from mlops.records.record import Frozen, Record


class Finding(Frozen):
    """One thing measured in a step: the value, the stable deployment's, the limit, and from how many requests."""

    metric: str
    verdict: str
    reason: str
    value: float
    reference: float | None
    limit: float
    num: int


class RolloutStep(Frozen):
    """One planned weight, and what the requests at that weight showed; `at` is when, in seconds since 1970.

    Latencies are medians in seconds; `error_rate` counts the candidate's requests only.
    """

    weight: int
    num_requests: int
    num_candidate: int
    error_rate: float
    latency_s: float
    stable_latency_s: float | None
    verdict: str
    reason: str
    findings: tuple[Finding, ...] = ()
    at: float = 0.0


class Moment(Frozen):
    """Where a rollout stood at a time, for the picture of it: the candidate's weight, and requests of both."""

    at: float
    phase: str
    weight: int
    num_requests: int
    num_failed: int
    stable_requests: int
    stable_failed: int
    latency_s: float | None
    stable_latency_s: float | None


class Rollout(Record):
    """How traffic moved to the new deployment, or came back (`rollout`)."""

    deployment: Deployment
    phase: str
    reason: str
    steps: tuple[RolloutStep, ...]
    traffic: dict[str, int]
    timeline: tuple[Moment, ...]
    answer: Answer | None

    @property
    def refusal(self) -> str | None:
        """Say why the new deployment does not have all traffic."""
        if self.phase in ("SUCCEEDED", "COMMITTED"):
            return None
        told = {"ROLLED_BACK": "rolled back", "PAUSED": "paused, resume, promote or abort it with `mlops rollout`"}
        where = f" at {self.steps[-1].weight} %" if self.steps else ""
        return f"{told.get(self.phase, self.phase.lower())}{where}: {self.reason}"
