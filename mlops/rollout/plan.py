"""The plan of a rollout: which weights, how much evidence at each, what is too bad, and how long all may take."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Ratio = Annotated[float, Field(gt=1)]


class RolloutPlan(BaseModel):
    """Weights of the new deployment in percent, and the limits that every step must hold; times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    steps: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(min_length=1)
    mirror: int = Field(0, ge=0, le=50)
    """Percent of the users' requests that the new deployment gets as copies before the first step; 0 for none."""
    bake_s: float = Field(ge=0)
    """How long a step lasts at least."""
    bake_max_s: float = Field(gt=0)
    """How long a step waits for enough requests, each time."""
    post_bake_s: float = Field(ge=0)
    """How long the new deployment has everything, with the old one beside it, before it is called stable."""
    min_requests: int = Field(ge=1)
    """Requests to each deployment that a step needs before it is judged."""
    concurrency: int = Field(4, ge=1)
    """Requests that the judge has under way at once."""
    max_windows: int = Field(3, ge=1)
    """How often a step is measured longer when its verdict is inconclusive or an error."""
    on_inconclusive: Literal["pause", "roll_back"] = "pause"

    max_error_rate: float = Field(ge=0, lt=1)
    """Share of the new deployment's requests that may fail, or by which it may fail oftener than the stable one."""
    max_bad_answers: float = Field(ge=0, lt=1)
    """By which share more of its answers may be empty or garbled than the stable one's."""
    max_latency_ratio: Ratio
    """Seconds of the new deployment over the stable one's: to the end, to the first byte, and for a token."""
    max_rouge_drop: float = Field(gt=0, le=1)
    """By how much less its answers may have in common with the held-out ones (ROUGE-1, 0 to 1)."""
    max_behavior_drop: float = Field(0.2, gt=0, le=1)
    """By which share fewer behavior cases it may pass than the stable one."""
    max_in_a_row: int = Field(5, ge=1)
    """Failures one after another that take the traffic back at once."""
    dry_run: tuple[str, ...] = ()
    """Findings that are shown and do not count, such as `ROUGE-1`."""
    confidence: float = Field(0.99, gt=0.5, lt=1)
    """How sure a test must be that a limit is broken."""

    write_attempts: int = Field(5, ge=1)
    """How often a write is tried that Azure is too busy for."""
    write_timeout_s: float = Field(300, gt=0)
    effect_s: float = Field(gt=0)
    """How long a written weight may take until requests show it."""
    lease_s: float = Field(60, gt=0)
    """After how long without a sign of life a runner counts as lost."""
    deadline_s: float = Field(gt=0)
    """After how long a rollout that is not done goes back."""
    pause_s: float = Field(gt=0)
    """After how long a pause that nobody ends goes back."""
    retain_s: float = Field(ge=0)
    """How long the old deployment stays beside the new one, without traffic, for a rollback."""
    keep_failed_s: float = Field(ge=0)
    """How long a deployment that was rolled back stays for a diagnosis."""
    supersede: bool = False
    """Whether another candidate's rollout is given up for this one."""
    force: bool = False
    """Whether a candidate that was rolled back for its own faults may try again."""

    @model_validator(mode="after")
    def _climbs_to_everything(self) -> Self:
        if self.steps[-1] != 100 or any(low >= high for low, high in pairwise(self.steps)):  # noqa: PLR2004 - percent
            raise ValueError("the weights must increase and end with 100")
        return self

    @model_validator(mode="after")
    def _fits_its_deadline(self) -> Self:
        if self.bake_s > self.bake_max_s:
            raise ValueError(f"bake_s ({self.bake_s:g}) must be at most bake_max_s ({self.bake_max_s:g})")
        num_bakes = len(self.steps) + bool(self.mirror)
        waits = num_bakes * self.bake_s + self.post_bake_s
        if waits >= self.deadline_s:
            raise ValueError(f"deadline_s ({self.deadline_s:g}) must exceed the sum of all bakes ({waits:g})")
        return self
