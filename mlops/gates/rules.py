"""What the gate asks of a candidate."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
