"""The component's inputs as transformers' TrainingArguments, for the device at hand."""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from .arguments import FinetuneArguments
from .errors import TrainerError
from .precision import supports_bf16
from .sharding import sharding

# What has the same name here and there.
SAME = (
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "gradient_accumulation_steps",
    "auto_find_batch_size",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "seed",
    "metric_for_best_model",
    "logging_strategy",
    "logging_steps",
)


def training_arguments(arguments: FinetuneArguments, *, num_sequences: int) -> TrainingArguments:
    """Translate; what this device cannot do is said in one line and left out."""
    return TrainingArguments(**settings(arguments, num_sequences=num_sequences))


def settings(arguments: FinetuneArguments, *, num_sequences: int) -> dict[str, Any]:
    """Give the TrainingArguments by their names."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    every = evaluation_steps(arguments, num_sequences=num_sequences)
    return {
        **{name: getattr(arguments, name) for name in SAME},
        "output_dir": str(checkpoint_folder(arguments)),
        "optim": {"adamw_torch": "adamw_torch_fused"}.get(arguments.optim, arguments.optim),  # the same, in one kernel
        "eval_strategy": {"disable": "no"}.get(arguments.evaluation_strategy, arguments.evaluation_strategy),
        "eval_steps": every,
        "save_strategy": "steps" if arguments.evaluation_strategy == "steps" else "epoch",
        "save_steps": every,
        "save_total_limit": None if arguments.save_total_limit == -1 else arguments.save_total_limit,
        "load_best_model_at_end": arguments.evaluation_strategy != "disable",
        "greater_is_better": False,
        "include_num_input_tokens_seen": "all",
        "prediction_loss_only": True,
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "dataloader_pin_memory": device.type == "cuda",
        "use_cpu": device.type == "cpu",  # else accelerate takes several processes on a CPU for unrelated ones
        "report_to": [],
        **_precision(arguments, device=device),
        **sharding(arguments, device=device),
    }


def checkpoint_folder(arguments: FinetuneArguments) -> Path:
    """Give the folder of the checkpoints: the one asked for, else one beside the output."""
    output = arguments.mlflow_model_folder
    return arguments.checkpoint_folder or output.with_name(f"{output.name}.checkpoints")


def evaluation_steps(arguments: FinetuneArguments, *, num_sequences: int) -> int:
    """Give the steps between evaluations: a share of an epoch where evaluation_steps_interval is given."""
    if not arguments.evaluation_steps_interval:
        return arguments.eval_steps
    num_processes = int(os.environ.get("WORLD_SIZE", "1"))  # torchrun's
    batch = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps * num_processes
    return max(1, round(arguments.evaluation_steps_interval * num_sequences / batch))


def _precision(arguments: FinetuneArguments, *, device: torch.device) -> dict[str, bool]:
    """Choose bf16 where it is native, fp16 on older GPUs; a CPU without bf16 is slower in it than in fp32.

    Raises TrainerError for weights of four bits without a GPU, which alone computes with them.
    """
    if arguments.precision == "4" and device.type != "cuda":
        raise TrainerError(f"--precision 4 (QLoRA) needs a CUDA device, not a {device.type}. Use --precision 16 or 32.")
    bf16 = arguments.precision != "32" and supports_bf16(device)
    fp16 = arguments.precision != "32" and not bf16 and device.type == "cuda"
    if arguments.precision != "32" and not bf16 and not fp16:
        print(f"precision {arguments.precision} is not used: this CPU has no bf16 instructions", flush=True)
    return {"bf16": bf16, "fp16": fp16}
