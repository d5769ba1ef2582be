"""The seven records: each stage's result, frozen, holding the record of the stage before it.

    DataAsset -> FineTuningJob -> Evaluation -> GateDecision -> RegisteredModel -> Deployment -> Rollout

A record file carries a digest over its canonical JSON, so a record that was edited is noticed where it is read.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from mlops.errors import RecordError

Parameter = bool | int | float | str


class Frozen(BaseModel):
    """A part of a record: cannot change, and knows no field it does not declare."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Record(Frozen):
    """What a stage leaves behind."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON (sorted keys, no spaces)."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def refusal(self) -> str | None:
        """Return why the path must end here, or None."""
        return None


class Split(Frozen):
    """One JSON Lines file of conversations; `characters` are those of its messages."""

    rows: int
    characters: int
    sha256: str
    uri: str


class DataAsset(Record):
    """Conversations, validated and split, registered under their content hash (`prepare`)."""

    id: str
    name: str
    version: str
    source: str
    content_hash: str
    train: Split
    validation: Split
    test: Split
    quarantined: int


class FinetuningPlan(Frozen):
    """What a fine-tuning job was expected to take; throughput and price say where they are from.

    `tokens_per_s` is of all GPUs together, `usd_per_hour` of all nodes.
    """

    size: str
    num_nodes: int
    num_gpus: int
    effective_batch: int
    steps: int
    tokens: int
    tokens_per_s: float
    throughput: str
    usd_per_hour: float
    price: str
    hours: float
    usd: float


class Measured(Frozen):
    """What a job really took: hours that its steps held their nodes, and what these cost at the plan's price.

    `losses` are (step, value) pairs by the metric's name: `loss` and `eval_loss`, with `dpo_` those of an alignment.
    """

    hours: float
    usd: float
    tokens_per_s: float | None
    losses: dict[str, tuple[tuple[int, float], ...]] = {}


class Alignment(Frozen):
    """The second step of a job, which learned from preferences which answers people like better; its plan alone."""

    method: str
    component: str
    preferences: Split
    parameters: dict[str, Parameter]
    plan: FinetuningPlan


class FineTuningJob(Record):
    """A completed training job, everything that went into it, and its plan beside what it took (`finetune`).

    `foundation_type` is the model's format, `mlflow_model` or `custom_model` (PyTorch).
    Hours and USD of `plan` and `measured` are those of all steps, all else that of the step that fine-tunes.
    """

    data: DataAsset
    name: str
    display_name: str
    experiment: str
    foundation_model: str
    foundation_type: str
    component: str
    compute: str
    num_gpus: int
    parameters: dict[str, Parameter]
    plan: FinetuningPlan
    alignment: Alignment | None = None
    measured: Measured
    trained_model: str
    studio_url: str


class ScoredModel(Frozen):
    """A model as the evaluation found it: its id, the hash of its files, and the hash it was registered with."""

    id: str
    sha256: str
    registered_sha256: str | None = None


class Evaluation(Record):
    """Candidate, champion and base scored on the same held-out conversations in one job (`evaluate`).

    `num_examples` are those of the held-out suite; `contamination` is the share of them found in the training data.
    """

    job: FineTuningJob
    name: str
    champion: str | None
    models: dict[str, ScoredModel]
    num_examples: int
    contamination: float
    scored_at: AwareDatetime
    test_data_sha256: str
    examples_sha256: str
    metrics: dict[str, dict[str, float]]
    studio_url: str


class Verdict(StrEnum):
    """What the gate says of a rule, and of the candidate."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    INCONCLUSIVE = "inconclusive"


class Flaw(Frozen):
    """Why an evaluation is not believed: a code such as `stale`, and what was found."""

    code: str
    detail: str


class RuleResult(Frozen):
    """One rule applied to all examples or to a slice of them; the change is positive where the candidate is better.

    `low` and `high` bound the change with `confidence`; all values are in the metric's own unit. `p_worse` is
    corrected for the number of rules. `detectable` is the change that would have been rejected with the probability
    `gate.power`; `num_more` examples would decide what is inconclusive, None if none would. `effect` is the change in
    standard deviations.
    """

    rule: str
    metric: str
    suite: str
    slice: str | None
    severity: str
    verdict: Verdict
    num_examples: int
    candidate: float
    reference: float | None
    change: float
    low: float
    high: float
    confidence: float
    required: float
    p_worse: float
    p_not_better: float
    effect: float | None
    detectable: float
    num_more: int | None
    reason: str


class Provenance(Frozen):
    """Who did something, where, when and with which code."""

    by: str
    where: str
    at: AwareDatetime
    commit: str


class GateDecision(Record):
    """The judgement on a candidate, rule by rule (`gate`).

    `verdict` is the engine's own; a person's `override` accepts what is inconclusive, never what is rejected.
    """

    evaluation: Evaluation
    verdict: Verdict
    reference: str
    results: tuple[RuleResult, ...]
    flaws: tuple[Flaw, ...]
    rules: dict[str, JsonValue]
    override: str | None
    decided: Provenance

    @model_validator(mode="after")
    def _overrides_doubt_only(self) -> Self:
        if self.override is not None and self.verdict is not Verdict.INCONCLUSIVE:
            raise ValueError(f"a candidate that is {self.verdict} cannot be overridden")
        return self

    @property
    def accepted(self) -> bool:
        """Return whether the candidate may go on."""
        return self.verdict is Verdict.ACCEPTED or self.override is not None

    @property
    def outcome(self) -> str:
        """Return the verdict as it is shown wherever the decision is: an override is never left out."""
        if self.override is None:
            return str(self.verdict)
        return f"accepted by override of {self.decided.by} (the gate said {self.verdict}): {self.override}"

    @property
    def refusal(self) -> str | None:
        """Name the flaws, or the rules that were not met."""
        if self.accepted:
            return None
        flaws = [f"{flaw.code}: {flaw.detail}" for flaw in self.flaws]
        rules = [
            result.reason
            for result in self.results
            if result.verdict is self.verdict and result.severity == "block" and not self._is_open_slice(result)
        ]
        return f"the candidate is {self.verdict}: {'; '.join([*flaws, *rules])}"

    @staticmethod
    def _is_open_slice(result: RuleResult) -> bool:
        return result.slice is not None and result.verdict is Verdict.INCONCLUSIVE


class RegisteredModel(Record):
    """The accepted model in the workspace's registry, with its lineage in tags (`register`)."""

    decision: GateDecision
    id: str
    name: str
    version: str


class Answer(Frozen):
    """One question put to a deployment, and what it said."""

    question: str
    answer: str


class Deployment(Record):
    """The idle color of the endpoint, serving the new model without traffic (`deploy`)."""

    model: RegisteredModel
    endpoint: str
    name: str
    stable: str | None
    instance_type: str
    scoring_uri: str
    smoke: tuple[Answer, ...]


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
    """Where a rollout stood at a time, for the picture of it: the candidate's weight, requests, errors, latency."""

    at: float
    phase: str
    weight: int
    num_requests: int
    num_failed: int
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


STAGES: Final[dict[str, type[Record]]] = {
    "prepare": DataAsset,
    "finetune": FineTuningJob,
    "evaluate": Evaluation,
    "gate": GateDecision,
    "register": RegisteredModel,
    "deploy": Deployment,
    "rollout": Rollout,
}

R = TypeVar("R", bound=Record)


def chain(record: Record) -> dict[str, Record]:
    """Return a record and those it holds, by their stages, first to last."""
    found: dict[str, Record] = {}
    for stage, kind in reversed(STAGES.items()):
        if isinstance(record, kind):
            found = {stage: record, **found}
            record = next((value for _, value in record if isinstance(value, Record)), record)
    return found


def lineage(record: Record) -> dict[str, str]:
    """Return the tags by which a record and those it holds are recognized: `record-<stage>`, the digest of each."""
    return {f"record-{stage}": each.digest for stage, each in chain(record).items()}


def seal(record: Record) -> bytes:
    """Return the record's file: its JSON and its digest."""
    document = {"digest": record.digest, "record": record.model_dump(mode="json")}
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def unseal(kind: type[R], content: bytes, *, where: str) -> R:
    """Return the record in a file's content.

    Raises RecordError, naming `where`, if it is unreadable or does not match its digest.
    """
    try:
        document: dict[str, Any] = json.loads(content)
        record = kind.model_validate(document["record"])
        digest = document["digest"]
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise RecordError(
            f"{where} is not a readable {kind.__name__} record ({_first_line(error)}): run the stage that writes it "
            "again"
        ) from error
    if record.digest != digest:
        raise RecordError(
            f"{where} was changed after it was written: its content has digest {record.digest[:12]}, "
            f"its seal says {str(digest)[:12]}. Run the stage that writes it again."
        )
    return record


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
