"""Checkpoints: often enough for a cluster whose nodes may be taken away, and found again when they come back."""

# ruff: noqa: ARG002 (the Trainer names the arguments of its callbacks)

import json
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME


def last_checkpoint(folder: Path) -> Path | None:
    """Give the last checkpoint that was written whole: its state is what the Trainer writes last."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{TRAINER_STATE_NAME}") if _is_json(path)]
    return max(whole, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


class Checkpoints(TrainerCallback):
    """Save every so many steps, besides where the Trainer validates and saves."""

    def __init__(self, *, save_steps: int) -> None:
        self._save_steps = save_steps

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Look for the best checkpoint here: the node that wrote it down may have had the folder elsewhere."""
        if state.best_model_checkpoint:
            state.best_model_checkpoint = str(Path(str(args.output_dir)) / Path(state.best_model_checkpoint).name)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ask for a checkpoint where one is due. All processes count the same steps, so all of them ask."""
        if state.global_step % self._save_steps == 0:
            control.should_save = True


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True
