"""What the gate asks of a candidate."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mlops.gates.metrics import GREATER_IS_BETTER

Suite = Literal["held_out", "general", "behavior"]
Slice = Literal["language", "length", "topic"]


class Rule(BaseModel):
    """One demand on one metric, in the words of MLflow's MetricThreshold.

    Against a reference, the candidate's mean per-example change for the better must be at least
    `min_absolute_change` and at least `min_relative_change` of the reference's mean. A positive number asks for
    superiority, a negative one allows that much loss (non-inferiority). With a `threshold`, the candidate's own mean
    must reach it. With `slices`, no slice of the examples may clearly miss the demand either.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    metric: str = Field(json_schema_extra={"enum": [*GREATER_IS_BETTER]})
    suite: Suite = "held_out"
    greater_is_better: bool
    against: Literal["champion", "base"] | None = None
    threshold: float | None = Field(default=None, allow_inf_nan=False)
    min_absolute_change: float | None = Field(default=None, allow_inf_nan=False)
    min_relative_change: float | None = Field(default=None, allow_inf_nan=False)
    confidence: float | None = Field(default=None, gt=0.5, lt=1)
    min_examples: int | None = Field(default=None, ge=2)
    severity: Literal["block", "warn"] = "block"
    slices: tuple[Slice, ...] = ()

    @field_validator("metric")
    @classmethod
    def _is_known(cls, metric: str) -> str:
        if metric not in GREATER_IS_BETTER:
            raise ValueError(f"no such metric; choose one of {', '.join(GREATER_IS_BETTER)}")
        return metric

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.against is None) == (self.threshold is None):
            raise ValueError("a rule has either `against` or `threshold`")
        if self.against is None and (self.min_absolute_change, self.min_relative_change) != (None, None):
            raise ValueError("min_absolute_change and min_relative_change need `against`")
        return self

    @model_validator(mode="after")
    def _points_the_right_way(self) -> Self:
        right = GREATER_IS_BETTER[self.metric]
        if right is not None and self.greater_is_better is not right:
            better = "greater" if right else "smaller"
            raise ValueError(
                f"greater_is_better: a {better} {self.metric} is the better one, so this rule would let the worse pass"
            )
        return self

    @property
    def name(self) -> str:
        """Return the rule as a person would say it."""
        what = self.metric if self.suite == "held_out" else f"{self.suite} {self.metric}"
        return f"{what} against {self.against}" if self.against else f"{what} threshold"


class GateSettings(BaseModel):
    """The rules, how sure the gate has to be, and what evaluation it looks at at all."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rules: tuple[Rule, ...] = Field(min_length=1)
    confidence: float = Field(gt=0.5, lt=1)
    min_examples: int = Field(ge=2)
    power: float = Field(default=0.8, gt=0.5, lt=1)
    """How surely the examples that an inconclusive result asks for would decide."""
    max_age_hours: float = Field(default=24 * 7, gt=0)
    """An older evaluation compared with a champion that may not serve any more."""
    max_contamination: float = Field(default=0.01, ge=0, lt=1)
    """Share of held-out examples that may be found in the training data."""
    override: str | None = Field(default=None, min_length=10)
    """Why an inconclusive candidate is accepted all the same, for one decision; a rejected one stays rejected."""

    @model_validator(mode="after")
    def _can_block(self) -> Self:
        if all(rule.severity == "warn" for rule in self.rules):
            raise ValueError("every rule only warns, so nothing would ever be refused: let one block")
        return self
