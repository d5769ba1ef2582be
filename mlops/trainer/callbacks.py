"""What the Trainer is asked to do besides training: say how far it is, and keep its metrics."""

# ruff: noqa: ARG002 (the Trainer names the arguments of its callbacks)

import time
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from .tracking import log_metrics


class ProgressLines(TrainerCallback):
    """Print step, loss, learning rate, tokens a second and time left wherever the Trainer logs."""

    def __init__(self, *, tokens_per_step: float) -> None:
        self._tokens_per_step = tokens_per_step
        self._started = (0, 0.0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remember where a resumed run starts."""
        self._started = (state.global_step, time.monotonic())

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Print one line."""
        print(f"{self._pace(state)} {_shown(logs or {})}", flush=True)

    def _pace(self, state: TrainerState) -> str:
        first_step, begin = self._started
        done, seconds = state.global_step - first_step, time.monotonic() - begin
        if done == 0:
            return f"step {state.global_step}/{state.max_steps}"
        left = seconds / done * (state.max_steps - state.global_step)
        rate = done * self._tokens_per_step / seconds
        return f"step {state.global_step}/{state.max_steps} {rate:,.0f} tokens/s {left:.0f} s left"


class MlflowMetrics(TrainerCallback):
    """Keep the Trainer's own metrics and write them to the job's run, many in one call."""

    def __init__(self) -> None:
        self._metrics: list[tuple[str, float, int, int]] = []

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep what is a number."""
        now = int(time.time() * 1000)
        self._metrics += [
            (key, float(value), now, state.global_step)
            for key, value in (logs or {}).items()
            if isinstance(value, int | float)
        ]

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Write what was kept: an evaluation is a good moment for a request."""
        self.flush()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the rest."""
        self.flush()

    def flush(self) -> None:
        """Write what was kept since the last time."""
        log_metrics(self._metrics)
        self._metrics = []


def _shown(logs: dict[str, float]) -> str:
    return " ".join(f"{key} {value:.4g}" for key, value in logs.items() if key != "total_flos")
