"""The component's inputs as transformers' TrainingArguments, for the device at hand."""

from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from .arguments import FinetuneArguments
from .precision import supports_bf16


def training_arguments(arguments: FinetuneArguments, *, num_sequences: int) -> TrainingArguments:
    """Translate; what this device cannot do is said in one line and left out."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    every = evaluation_steps(arguments, num_sequences=num_sequences)
    saves = "steps" if arguments.evaluation_strategy == "steps" else "epoch"
    return TrainingArguments(
        output_dir=str(checkpoint_folder(arguments)),
        num_train_epochs=arguments.num_train_epochs,
        max_steps=arguments.max_steps,
        per_device_train_batch_size=arguments.per_device_train_batch_size,
        per_device_eval_batch_size=arguments.per_device_eval_batch_size,
        gradient_accumulation_steps=arguments.gradient_accumulation_steps,
        auto_find_batch_size=arguments.auto_find_batch_size,
        learning_rate=arguments.learning_rate,
        lr_scheduler_type=arguments.lr_scheduler_type,
        warmup_steps=arguments.warmup_steps,
        weight_decay=arguments.weight_decay,
        adam_beta1=arguments.adam_beta1,
        adam_beta2=arguments.adam_beta2,
        adam_epsilon=arguments.adam_epsilon,
        max_grad_norm=arguments.max_grad_norm,
        optim=arguments.optim,
        seed=arguments.seed,
        eval_strategy={"disable": "no"}.get(arguments.evaluation_strategy, arguments.evaluation_strategy),
        eval_steps=every,
        save_strategy=saves,
        save_steps=every,
        save_total_limit=None if arguments.save_total_limit == -1 else arguments.save_total_limit,
        load_best_model_at_end=arguments.evaluation_strategy != "disable",
        metric_for_best_model=arguments.metric_for_best_model,
        greater_is_better=False,
        logging_strategy=arguments.logging_strategy,
        logging_steps=arguments.logging_steps,
        prediction_loss_only=True,
        remove_unused_columns=False,
        disable_tqdm=True,
        dataloader_pin_memory=device.type == "cuda",
        report_to=[],
        **_precision(arguments, device=device),
        **_deepspeed(arguments, device=device),
    )


def checkpoint_folder(arguments: FinetuneArguments) -> Path:
    """Give the folder of the checkpoints: the one asked for, else one beside the output."""
    output = arguments.mlflow_model_folder
    return arguments.checkpoint_folder or output.with_name(f"{output.name}.checkpoints")


def evaluation_steps(arguments: FinetuneArguments, *, num_sequences: int) -> int:
    """Give the steps between evaluations: a share of an epoch where evaluation_steps_interval is given."""
    if not arguments.evaluation_steps_interval:
        return arguments.eval_steps
    batch = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    return max(1, round(arguments.evaluation_steps_interval * num_sequences / batch))


def _precision(arguments: FinetuneArguments, *, device: torch.device) -> dict[str, Any]:
    """Choose bf16 where it is native, fp16 on older GPUs; a CPU without bf16 is slower in it than in fp32."""
    if arguments.precision == "32":
        return {}
    if supports_bf16(device):
        return {"bf16": True}
    if device.type == "cuda":
        return {"fp16": True}
    print("precision 16 is not used: this CPU has no bf16 instructions", flush=True)
    return {}


def _deepspeed(arguments: FinetuneArguments, *, device: torch.device) -> dict[str, Any]:
    if not arguments.apply_deepspeed:
        return {}
    if device.type != "cuda":
        print("DeepSpeed is not used: this machine has no CUDA device", flush=True)
        return {}
    zero = {
        "stage": int(arguments.deepspeed_stage),
        "stage3_gather_16bit_weights_on_model_save": True,
    }
    automatic = ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    enabled = {"enabled": "auto"}
    return {
        "deepspeed": {
            **dict.fromkeys(automatic, "auto"),
            "zero_optimization": zero,
            "bf16": enabled,
            "fp16": enabled,
        }
    }
