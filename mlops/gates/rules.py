"""What the gate asks of a candidate."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Rule(BaseModel):
    """One demand on one metric, in the words of MLflow's MetricThreshold.

    Against a reference, the candidate's mean per-example change for the better must be at least
    `min_absolute_change` and at least `min_relative_change` of the reference's mean; a negative number allows that
    much loss. With a `threshold`, the candidate's own mean must reach it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: Literal["loss", "perplexity", "rougeL", "bits_per_byte"]
    greater_is_better: bool
    against: Literal["champion", "base"] | None = None
    threshold: float | None = None
    min_absolute_change: float | None = None
    min_relative_change: float | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.against is None) == (self.threshold is None):
            raise ValueError("a rule has either `against` or `threshold`")
        if self.against is None and (self.min_absolute_change, self.min_relative_change) != (None, None):
            raise ValueError("min_absolute_change and min_relative_change need `against`")
        return self

    @property
    def name(self) -> str:
        """Return the rule as a person would say it."""
        return f"{self.metric} against {self.against}" if self.against else f"{self.metric} threshold"


class GateSettings(BaseModel):
    """The rules, and how sure the gate has to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(min_length=1)
    confidence: float = Field(gt=0.5, lt=1)
    min_examples: int = Field(ge=2)
