"""The inputs of the registry component chat_completion_pipeline that reach fine-tuning, under their own names.

Of our own are apply_fsdp, gradient_checkpointing, save_steps and the precision 4 (QLoRA).
"""

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from .errors import TrainerError

CHOICES = {
    "optim": ("adamw_torch", "adafactor"),
    "precision": ("32", "16", "4"),
    "deepspeed_stage": ("2", "3"),
    "evaluation_strategy": ("epoch", "steps", "disable"),
    "logging_strategy": ("epoch", "steps"),
    "metric_for_best_model": ("loss",),
    "lr_scheduler_type": (
        "linear",
        "cosine",
        "cosine_with_restarts",
        "polynomial",
        "constant",
        "constant_with_warmup",
    ),
}


@dataclass(frozen=True, kw_only=True)
class FinetuneArguments:
    """What to train, on what, how, and where to write. Defaults are the component's own."""

    train_file_path: Path
    mlflow_model_folder: Path
    mlflow_model_path: Path | None = None
    pytorch_model_path: Path | None = None
    validation_file_path: Path | None = None
    test_file_path: Path | None = None
    pytorch_model_folder: Path | None = None
    checkpoint_folder: Path | None = None
    num_train_epochs: int = 1
    max_steps: int = -1
    per_device_train_batch_size: int = 1
    per_device_eval_batch_size: int = 1
    gradient_accumulation_steps: int = 1
    auto_find_batch_size: bool = False
    learning_rate: float = 2e-5
    lr_scheduler_type: str = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 1.0
    optim: str = "adamw_torch"
    apply_lora: bool = False
    lora_alpha: int = 128
    lora_r: int = 8
    lora_dropout: float = 0.0
    apply_deepspeed: bool = False
    deepspeed: Path | None = None
    deepspeed_stage: str = "2"
    apply_fsdp: bool = False
    gradient_checkpointing: bool = False
    precision: str = "32"
    seed: int = 42
    max_seq_length: int = -1
    evaluation_strategy: str = "epoch"
    evaluation_steps_interval: float = 0.0
    eval_steps: int = 500
    logging_strategy: str = "steps"
    logging_steps: int = 10
    save_steps: int = 500
    save_total_limit: int = -1
    metric_for_best_model: str = "loss"
    resume_from_checkpoint: bool = False
    apply_early_stopping: bool = False
    early_stopping_patience: int = 1
    early_stopping_threshold: float = 0.0
    ignore_mismatched_sizes: bool = False
    number_of_gpu_to_use_finetuning: int = 1

    def __post_init__(self) -> None:
        """Refuse what the component refuses, in its words where it has any."""
        for message in self._refusals():
            raise TrainerError(message)

    @property
    def model_path(self) -> Path:
        """The folder of the model to start from."""
        (path,) = filter(None, (self.mlflow_model_path, self.pytorch_model_path))
        return path

    def _refusals(self) -> list[str]:
        rules = [
            (
                (self.mlflow_model_path is None) == (self.pytorch_model_path is None),
                "give exactly one of --mlflow_model_path and --pytorch_model_path.",
            ),
            (
                self.learning_rate <= 0,
                f"Invalid learning rate. Learning rate should be greater than 0. It is {self.learning_rate}.",
            ),
            (
                self.apply_early_stopping and self.evaluation_strategy == "disable",
                "--apply_early_stopping true needs --evaluation_strategy steps or epoch, not disable.",
            ),
            (
                self.apply_deepspeed and self.auto_find_batch_size,
                "Deep Speed cannot be coupled with auto_find_batch_size. Set one of the two to false.",
            ),
            (
                self.apply_deepspeed and self.apply_fsdp,
                "--apply_deepspeed and --apply_fsdp both shard the model. Set one of the two to false.",
            ),
            (
                self.precision == "4" and not self.apply_lora,
                "--precision 4 needs --apply_lora true: weights of four bits do not learn, an adapter on them does.",
            ),
            (
                self.precision == "4" and self.apply_fsdp,
                "--precision 4 cannot be coupled with --apply_fsdp: four bits are not sharded. Use one of the two.",
            ),
            (
                self.precision == "4" and self.apply_deepspeed and self.deepspeed_stage == "3",
                "--precision 4 cannot be coupled with --deepspeed_stage 3: four bits are not sharded. Use 2.",
            ),
            (self.save_steps < 1, f"--save_steps is {self.save_steps}; it must be at least 1."),
        ]
        return [message for broken, message in rules if broken] + self._unknown_choices()

    def _unknown_choices(self) -> list[str]:
        return [
            f"--{name} is {getattr(self, name)!r}; choose one of: {', '.join(choices)}."
            for name, choices in CHOICES.items()
            if getattr(self, name) not in choices
        ]


@dataclass(frozen=True, kw_only=True)
class AlignArguments(FinetuneArguments):
    """The same for the step after fine-tuning, whose files hold preferences."""

    dpo_beta: float = 0.1


Arguments = TypeVar("Arguments", bound=FinetuneArguments)


def parse_arguments(kind: type[Arguments], values: Sequence[str] | None = None) -> Arguments:
    """Read `--name value` pairs; booleans are the strings true and false, as the component gives them."""
    parser = argparse.ArgumentParser(description=kind.__doc__)
    for field in fields(kind):
        parser.add_argument(
            f"--{field.name}",
            type=_reader(field),
            required=field.default is MISSING,
            default=argparse.SUPPRESS,
            help=None if field.default is MISSING else f"default {field.default}",
        )
    return kind(**vars(parser.parse_args(values)))


def _reader(field: "Field[Any]") -> Any:
    if field.type == Path | None:
        return Path
    return _boolean if field.type is bool else field.type


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return text.lower() == "true"
