"""What was decided, rule by rule, and by whom."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import AwareDatetime, JsonValue, model_validator

from mlops.records.evaluation import Evaluation
from mlops.records.record import Frozen, Record


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
    `gate.power`; `num_more` examples would decide what is inconclusive, None if none would. `spread` is the standard
    deviation of the examples' changes.
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
    spread: float
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
