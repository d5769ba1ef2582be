"""How a model that is too big for one GPU is spread over many: FSDP, or DeepSpeed's ZeRO."""

import json
from pathlib import Path
from typing import Any

import torch

from .arguments import FinetuneArguments
from .errors import TrainerError

WEIGHTS_TOO = 3  # the stage of ZeRO that shards the weights as well


def sharding(arguments: FinetuneArguments, *, device: torch.device) -> dict[str, Any]:
    """Give the part of the TrainingArguments that says so; without it every GPU holds the whole model (DDP)."""
    if arguments.apply_deepspeed and device.type != "cuda":
        print("DeepSpeed is not used: this machine has no CUDA device", flush=True)
    elif arguments.apply_deepspeed:
        return {"deepspeed": deepspeed(arguments), "activation_checkpointing": arguments.gradient_checkpointing}
    if arguments.apply_fsdp:
        return {"fsdp": True, "fsdp_config": fsdp(arguments), "activation_checkpointing": False}
    return {"activation_checkpointing": arguments.gradient_checkpointing}


def fsdp(arguments: FinetuneArguments) -> dict[str, Any]:
    """Shard weights, gradients and optimizer layer by layer (FSDP2); what is saved is whole again."""
    return {
        "version": 2,
        "reshard_after_forward": True,
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "state_dict_type": "FULL_STATE_DICT",
        "cpu_ram_efficient_loading": True,
        "activation_checkpointing": arguments.gradient_checkpointing,
    }


def deepspeed(arguments: FinetuneArguments) -> dict[str, Any]:
    """Give the configuration of --deepspeed, or ZeRO's stage 2 (optimizer, gradients) or 3 (weights, too).

    "auto" is filled in by the Trainer from its own arguments. Raises TrainerError where the file cannot be used.
    """
    if arguments.deepspeed:
        return _read(arguments.deepspeed)
    sizes = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping")
    stage = int(arguments.deepspeed_stage)
    buckets = ("reduce_bucket_size", "stage3_prefetch_bucket_size", "stage3_param_persistence_threshold")
    whole = {**dict.fromkeys(buckets, "auto"), "stage3_gather_16bit_weights_on_model_save": True}
    return {
        **dict.fromkeys(sizes, "auto"),
        "zero_optimization": {"stage": stage, "overlap_comm": True, "contiguous_gradients": True}
        | (whole if stage == WEIGHTS_TOO else {}),
        "bf16": {"enabled": "auto"},
        "fp16": {"enabled": "auto"},
    }


def _read(path: Path) -> dict[str, Any]:
    """Read the file, by the rule of the registry's component for stage 3."""
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainerError(f"{path}: not readable as JSON: {error}. Give a DeepSpeed configuration.") from error
    zero = settings.get("zero_optimization", {})
    if zero.get("stage") == WEIGHTS_TOO and not zero.get("stage3_gather_16bit_weights_on_model_save"):
        raise TrainerError(
            f"{path}: zero_optimization.stage is 3, which needs stage3_gather_16bit_weights_on_model_save: true, "
            "or the saved model has no weights. Add it."
        )
    return settings
