"""What the Trainer is asked to do besides training: say how far it is, and keep its metrics."""

# ruff: noqa: ARG002 (the Trainer names the arguments of its callbacks)

import time
from typing import Any

from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from .arguments import FinetuneArguments
from .checkpoints import Checkpoints
from .tracking import log_metrics, shown

PERIOD_S = 5.0  # between two requests to the tracking server


def callbacks(arguments: FinetuneArguments, *, prefix: str = "") -> list[TrainerCallback]:
    """Give all of them, in the order in which they want to be asked; the prefix is that of the metrics' names."""
    always = [Pace(), ProgressLines(), MlflowMetrics(prefix), Checkpoints(save_steps=arguments.save_steps)]
    if not arguments.apply_early_stopping:
        return always
    return [*always, EarlyStoppingCallback(arguments.early_stopping_patience, arguments.early_stopping_threshold)]


class Pace(TrainerCallback):
    """Add to what the Trainer logs the tokens a second since it last did, of all GPUs, while training."""

    def __init__(self) -> None:
        self._tokens, self._busy_s, self._began = 0, 0.0, 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Remember what a resumed run has seen before."""
        self._tokens = int(state.num_input_tokens_seen)

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Start the clock, which stands still while the model is validated or saved."""
        self._began = time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Stop the clock."""
        self._busy_s += time.monotonic() - self._began

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add the rate to the entries that tell the loss of training."""
        if logs and "loss" in logs:
            seen = int(state.num_input_tokens_seen)
            logs["tokens_per_second"] = (seen - self._tokens) / self._busy_s
            self._tokens, self._busy_s = seen, 0.0


class ProgressLines(TrainerCallback):
    """Print step, time left, loss, learning rate and tokens a second wherever the Trainer logs."""

    def __init__(self) -> None:
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
        if state.is_world_process_zero:
            told = shown({key: value for key, value in (logs or {}).items() if key != "total_flos"})
            print(f"step {state.global_step}/{state.max_steps}{self._left(state)} {told}", flush=True)

    def _left(self, state: TrainerState) -> str:
        first_step, begin = self._started
        done, seconds = state.global_step - first_step, time.monotonic() - begin
        return f" {seconds / done * (state.max_steps - state.global_step):.0f} s left" if done else ""


class MlflowMetrics(TrainerCallback):
    """Keep the Trainer's own metrics and write them to the job's runs, many in one call."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._metrics: list[tuple[str, float, int, int]] = []
        self._written = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Say how many steps there will be, by which others can tell how far this is."""
        self._keep({"max_steps": float(state.max_steps)}, state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep what is a number, and write it if the last request was not just now."""
        self._keep(logs or {}, state)
        if time.monotonic() - self._written > PERIOD_S:
            self.flush()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the rest."""
        self.flush()

    def flush(self) -> None:
        """Write what was kept since the last time."""
        log_metrics(self._metrics)
        self._metrics, self._written = [], time.monotonic()

    def _keep(self, logs: dict[str, float], state: TrainerState) -> None:
        if state.is_world_process_zero:
            now, step = int(time.time() * 1000), state.global_step
            numbers = {key: float(value) for key, value in logs.items() if isinstance(value, int | float)}
            self._metrics += [(self._prefix + key, value, now, step) for key, value in numbers.items()]
