"""What a fine-tuning job will take, before it is paid for: tokens, steps, hours, money, memory. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import TYPE_CHECKING, Final

from mlops.records import FinetuningPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.compute.price import Price
    from mlops.compute.sizes import Gpu
    from mlops.records import Parameter, Split

CHARACTERS_PER_TOKEN: Final = 4
"""Of English text and the vocabularies of these models, by and large."""
UTILIZATION: Final = {"4": 0.1, "16": 0.2, "32": 0.05}
"""Of the GPU's 16-bit peak, by precision: an assumption on the careful side, until a job of the same kind was timed."""
FLOPS_PER_TOKEN: Final = {"lora": 6, "full": 8}
"""Per parameter: 2 forward, 2 backward to the activations, 2 recomputed; a full tuning adds 2 for the weights."""
BYTES_PER_PARAMETER: Final = {"4": 0.5, "16": 2, "32": 4}
OPTIMIZER_BYTES: Final = 16
"""Per trained parameter: gradient, 32-bit copy and two moments of AdamW, beside the weights."""
LORA_SHARE: Final = 0.01
"""Of the parameters, what an adapter trains at most at the usual ranks."""
SHARE_FOR_STATE: Final = 0.8
"""Of a GPU's memory, what weights and optimizer may take; activations need the rest."""
FORWARD_ONLY: Final = 1 / 3
"""Of the work of a pass that trains, what a pass that only reads takes: 2 of 6 operations."""
PREPARATION_HOURS: Final = 0.3
"""Starting a node, pulling the image, importing the model, tokenizing, converting."""


@dataclass(frozen=True)
class Machines:
    """Where a job trains: nodes of a size, each with GPUs, and what an hour of one node costs."""

    size: str
    num_nodes: int
    num_gpus: int
    gpu: Gpu | None
    price: Price


@dataclass(frozen=True)
class ModelSize:
    """Parameters of a model, and how many of them work on a token (fewer in a mixture of experts)."""

    total: float
    active: float


@dataclass(frozen=True)
class Throughput:
    """Tokens per second of one GPU, hours beside the training itself, and how both are known."""

    tokens_per_s: float
    preparation_hours: float
    source: str


def effective_batch(parameters: Mapping[str, Parameter], machines: Machines) -> int:
    """Return the conversations per step: per-device batch x gradient accumulation x GPUs x nodes."""
    per_device = int(parameters.get("per_device_train_batch_size", 1))
    accumulated = int(parameters.get("gradient_accumulation_steps", 1))
    return per_device * accumulated * machines.num_gpus * machines.num_nodes


def assumed(model: ModelSize, parameters: Mapping[str, Parameter], gpu: Gpu | None) -> Throughput | None:
    """Return the throughput that the GPU's peak makes likely, or None if the GPU is unknown."""
    if gpu is None:
        return None
    share = UTILIZATION[precision(parameters)]
    rate = share * gpu.tflops * 1e12 / (FLOPS_PER_TOKEN[method(parameters)] * model.active)
    return Throughput(rate, PREPARATION_HOURS, f"assumed: {share:.0%} of {gpu.name}'s {gpu.tflops} TFLOPS")


def measured(rates: Sequence[tuple[float, float]]) -> Throughput | None:
    """Return the median of earlier such jobs (tokens per second of a GPU, hours of preparation), or None."""
    if not rates:
        return None
    tokens, hours = (median(values) for values in zip(*rates, strict=True))
    return Throughput(tokens, hours, f"measured: the last {len(rates)} of such jobs")


def plan(
    data: Split,
    parameters: Mapping[str, Parameter],
    machines: Machines,
    throughput: Throughput,
    *,
    texts_per_row: int = 1,
    passes_before: float = 0.0,
) -> FinetuningPlan:
    """Return what a step is expected to take; a text longer than `max_seq_length` counts as that long."""
    batch = effective_batch(parameters, machines)
    epochs, most = int(parameters.get("num_train_epochs", 1)), int(parameters.get("max_steps", -1))
    steps_per_epoch, pass_tokens = ceil(data.rows / batch), _tokens(data, parameters, texts_per_row)
    steps = most if most > 0 else steps_per_epoch * epochs
    tokens = round(pass_tokens * steps / steps_per_epoch)
    rate = throughput.tokens_per_s * machines.num_gpus * machines.num_nodes
    hours = (tokens + passes_before * pass_tokens) / rate / 3600 + throughput.preparation_hours
    return FinetuningPlan(
        size=machines.size,
        num_nodes=machines.num_nodes,
        num_gpus=machines.num_gpus,
        effective_batch=batch,
        steps=steps,
        tokens=tokens,
        tokens_per_s=rate,
        throughput=throughput.source,
        usd_per_hour=machines.price.usd * machines.num_nodes,
        price=str(machines.price),
        hours=hours,
        usd=hours * machines.price.usd * machines.num_nodes,
    )


def alignment_plan(
    preferences: Split, parameters: Mapping[str, Parameter], machines: Machines, throughput: Throughput
) -> FinetuningPlan:
    """Return what DPO is expected to take, at the pace of fine-tuning, which nobody timed it at.

    It reads both answers of a row in every epoch, and once before the first, to know what the model was like.
    """
    assumed_pace = Throughput(throughput.tokens_per_s, throughput.preparation_hours, "assumed: that of fine-tuning")
    return plan(preferences, parameters, machines, assumed_pace, texts_per_row=2, passes_before=FORWARD_ONLY)


def memory_gb(model: ModelSize, parameters: Mapping[str, Parameter], machines: Machines) -> float:
    """Return the GB of weights and optimizer on each GPU.

    DeepSpeed's stage 2 spreads optimizer and gradients over all GPUs, its stage 3 and FSDP the weights, too.
    """
    gpus = machines.num_gpus * machines.num_nodes
    staged = int(parameters.get("deepspeed_stage", 2)) if parameters.get("apply_deepspeed") == "true" else 0
    if parameters.get("apply_fsdp") == "true":
        staged = 3
    trained = LORA_SHARE if method(parameters) == "lora" else 1.0
    weights = model.total * BYTES_PER_PARAMETER[precision(parameters)]
    optimizer = model.total * trained * OPTIMIZER_BYTES
    return (weights / (gpus if staged == 3 else 1) + optimizer / (gpus if staged else 1)) / 1e9  # noqa: PLR2004 - ZeRO's


def warnings(model: ModelSize, parameters: Mapping[str, Parameter], machines: Machines, *, tier: str) -> list[str]:
    """Return what may go wrong with these parameters on these machines."""
    found, gpu = [], machines.gpu
    if gpu is None:
        found.append(f"nothing is known of the GPU of {machines.size}: memory and precision are not checked")
    elif (needed := memory_gb(model, parameters, machines)) > SHARE_FOR_STATE * gpu.memory:
        found.append(
            f"weights and optimizer take about {needed:.0f} GB of each GPU, {gpu.name} has {gpu.memory}: expect to run "
            "out of memory; use apply_lora, deepspeed_stage 3, more GPUs or a larger size"
        )
    if gpu and not gpu.bf16 and precision(parameters) == "16":
        found.append(
            f"{gpu.name} has no bfloat16 and no FlashAttention: precision 16 is float16 there, which overflows"
        )
    if gpu and gpu.bf16 and precision(parameters) == "32":
        found.append(f"precision 32 on {gpu.name} takes twice the memory and several times the time of 16 (bfloat16)")
    if tier == "low_priority":
        found.append(
            "low-priority nodes are taken away at any time, and a job there ends after 7 days: a job that does not "
            "resume from checkpoints begins again and pays again"
        )
    return found


def _tokens(data: Split, parameters: Mapping[str, Parameter], texts_per_row: int) -> float:
    """Return the tokens of one epoch."""
    tokens, longest = data.characters / CHARACTERS_PER_TOKEN, int(parameters.get("max_seq_length", -1))
    return min(tokens, float(data.rows * texts_per_row * longest)) if longest > 0 else tokens


def precision(parameters: Mapping[str, Parameter]) -> str:
    """Return the bits of the numbers in training."""
    return str(parameters.get("precision", "32"))


def method(parameters: Mapping[str, Parameter]) -> str:
    """Return whether an adapter is trained or all weights."""
    return "lora" if parameters.get("apply_lora") == "true" else "full"
