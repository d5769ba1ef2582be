"""How far a training job is, from what it has logged so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlops.times import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.records import FinetuningPlan, Parameter


class Logged(Protocol):
    """One value of a metric, at which step, and when it was logged in seconds."""

    @property
    def step(self) -> int:
        """Return the step."""

    @property
    def value(self) -> float:
        """Return the value."""

    @property
    def time_s(self) -> float:
        """Return when it was logged."""


@dataclass(frozen=True)
class Progress:
    """Where a job is; `share` is between 0 and 1, the rate and the time left are None while nothing is done."""

    step: int
    share: float
    loss: float
    tokens_per_s: float | None
    left_s: float | None
    usd: float

    def __str__(self) -> str:
        """Say it in one line."""
        pace = f"{self.tokens_per_s:,.0f} tokens/s" if self.tokens_per_s is not None else ""
        left = duration(self.left_s) + " left" if self.left_s is not None else ""
        parts = (f"step {self.step}", f"{self.share:.0%}", f"loss {self.loss:.4f}", pace, left, f"{self.usd:.2f} USD")
        return " · ".join(part for part in parts if part)


def progress(
    history: Mapping[str, Sequence[Logged]],
    plan: FinetuningPlan,
    parameters: Mapping[str, Parameter],
    *,
    training_s: float,
    usd: float,
) -> Progress | None:
    """Return how far a job is whose step trains for some seconds, or None if it has logged no loss yet."""
    if not history.get("loss"):
        return None
    last, done = history["loss"][-1], 0.0
    if epochs := history.get("epoch"):
        done = _share(epochs[-1], parameters)
    if not done or not training_s:
        return Progress(last.step, done, last.value, None, None, usd)
    return Progress(last.step, done, last.value, plan.tokens * done / training_s, training_s * (1 - done) / done, usd)


def pace(
    history: Mapping[str, Sequence[Logged]], plan: FinetuningPlan, parameters: Mapping[str, Parameter]
) -> float | None:
    """Return the planned tokens per second that a job which has ended learned from, on all GPUs; None if unknown.

    Training that stopped early learned from the share of its epochs. `train_runtime` is that of the last process
    alone: where a loss was logged before it began, the job was interrupted, and what it did in that time is unknown.
    """
    runtime, epochs = history.get("train_runtime"), history.get("epoch")
    if not runtime or not epochs:
        return None
    began_s = runtime[-1].time_s - runtime[-1].value
    if any(point.time_s < began_s for point in history.get("loss", ())):
        return None
    return plan.tokens * _share(epochs[-1], parameters) / runtime[-1].value


def _share(entry: Logged, parameters: Mapping[str, Parameter]) -> float:
    """Return the share of the work done at an entry of `epoch`: packing changes the steps, but not the epochs."""
    most = int(parameters.get("max_steps", -1))
    whole = most if most > 0 else int(parameters.get("num_train_epochs", 1))
    return min((entry.step if most > 0 else entry.value) / whole, 1.0)
