"""The model that learns, and the one that comes of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from . import attention
from .arguments import FinetuneArguments
from .lora import attach, four_bits, merge
from .model_folder import load_config, load_weights
from .precision import supports_bf16

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def start(arguments: FinetuneArguments, *, device: torch.device) -> "PreTrainedModel":
    """Load the model to start from.

    Weights that learn are fp32, of which products are taken in 16 bits; those under an adapter need no more than
    the products do.
    """
    how: dict[str, Any] = {"ignore_mismatched_sizes": arguments.ignore_mismatched_sizes}
    if arguments.precision == "4":
        how |= {"quantization_config": four_bits(), "device_map": {"": device}}
    halved = arguments.apply_lora and arguments.precision != "32" and supports_bf16(device)
    return load_weights(arguments.model_path, dtype=torch.bfloat16 if halved else torch.float32, **how)


def learner(arguments: FinetuneArguments, *, device: torch.device) -> Any:
    """Load the model to start from, ready to learn from packed rows."""
    model = start(arguments, device=device)
    if model._supports_sdpa:  # noqa: SLF001 (whether plain attention is all there is; it has no public name)
        model.set_attn_implementation(attention.register())
    return attach(model, arguments) if arguments.apply_lora else model


def finished(arguments: FinetuneArguments, folder: Path) -> "PreTrainedModel":
    """Load what training saved, an adapter merged, in the number format of the model it began with."""
    if arguments.apply_lora:
        start = load_weights(arguments.model_path, ignore_mismatched_sizes=arguments.ignore_mismatched_sizes)
        model = merge(start, folder)
    else:
        model = load_weights(folder)
    dtype: Any = load_config(arguments.model_path).dtype or torch.float32
    converted: PreTrainedModel = model.to(dtype)
    return converted
