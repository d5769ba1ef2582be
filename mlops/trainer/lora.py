"""Low-rank adapters: on weights as they are or, for QLoRA, on weights of four bits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import FinetuneArguments

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel


def adapter(arguments: FinetuneArguments) -> Any:
    """Give the adapter's configuration: all linear layers, as in QLoRA (Dettmers et al. 2023), but the head."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=arguments.lora_r,
        lora_alpha=arguments.lora_alpha,
        lora_dropout=arguments.lora_dropout,
        target_modules="all-linear",
    )


def attach(model: "PreTrainedModel", arguments: FinetuneArguments) -> Any:
    """Give the model with a fresh adapter, the only thing that learns."""
    from peft import get_peft_model, prepare_model_for_kbit_training

    if arguments.precision == "4":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)  # the Trainer sees to that
    elif arguments.gradient_checkpointing:
        model.enable_input_require_grads()  # else nothing in a recomputed layer has a gradient
    return get_peft_model(model, adapter(arguments))


def four_bits() -> "BitsAndBytesConfig":
    """Give QLoRA's weights: NormalFloat of four bits, scales quantized again, products in bf16."""
    import torch
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def merge(model: "PreTrainedModel", folder: Path) -> "PreTrainedModel":
    """Give a model with the adapter of a folder added to its weights, which may be whole where training's were not."""
    from peft import PeftModel

    merged: PreTrainedModel = PeftModel.from_pretrained(model, str(folder)).merge_and_unload()
    return merged
