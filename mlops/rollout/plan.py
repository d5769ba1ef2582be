"""The plan of a rollout: which weights, how much evidence at each, and what is too bad."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RolloutPlan(BaseModel):
    """Weights of the new deployment in percent, and the limits that every step must hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(min_length=1)
    min_requests: int = Field(ge=1)
    """Answers of the new deployment that a step needs before it is judged."""
    max_error_rate: float = Field(ge=0, le=1)
    max_latency_ratio: float = Field(gt=1)
    """Median seconds of the new deployment over the stable one's."""
    step_deadline_s: float = Field(gt=0)
    """Seconds after which a step without enough answers is given up."""

    @model_validator(mode="after")
    def _climbs_to_everything(self) -> Self:
        if self.steps[-1] != 100 or any(low >= high for low, high in pairwise(self.steps)):  # noqa: PLR2004 - percent
            raise ValueError("the weights must increase and end with 100")
        return self
