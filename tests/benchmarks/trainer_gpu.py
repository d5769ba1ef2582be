"""Phi-3-mini's shape (3.8 B, random weights) on a GPU: `python tests/benchmarks/trainer_gpu.py`; says so without one.

All weights and LoRA, in bf16, conversations of ultrachat's lengths packed to 4,096 tokens, by the very Trainer that a
job uses. Model FLOPs utilization counts what the model needs, not what is computed again: per token 6 N for all weights
or 4 N under an adapter, where N counts the head only at tokens that are learned, and attention inside conversations
(Kaplan et al. 2020; Chowdhery et al. 2022, appendix B). The goal for all weights on an H100 is half of its peak.
"""

from __future__ import annotations

import gc
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import Phi3Config, Phi3ForCausalLM, Trainer, TrainerCallback, set_seed

from mlops.trainer import attention
from mlops.trainer.arguments import FinetuneArguments
from mlops.trainer.chat import EncodedConversation
from mlops.trainer.finetune import Conversations, build_trainer
from mlops.trainer.packing import collate, pack

# microsoft/Phi-3-mini-4k-instruct's config.json
CONFIG = Phi3Config(
    vocab_size=32064,
    hidden_size=3072,
    intermediate_size=8192,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=32,
    max_position_embeddings=4096,
    original_max_position_embeddings=4096,
    sliding_window=2047,
)
PEAK_TFLOPS = {"H100": 989, "H200": 989, "A100": 312, "L40S": 362, "A10": 125}  # bf16, dense, by NVIDIA's data sheets
STEPS, WARM_UP, GOAL = 16, 6, 0.5
RUNS = {
    "all weights": {"per_device_train_batch_size": 1},
    "all weights, checkpointing": {"per_device_train_batch_size": 4, "gradient_checkpointing": True},
    "LoRA": {"per_device_train_batch_size": 4, "apply_lora": True, "gradient_checkpointing": True},
}


def main() -> None:
    """Measure, print the table, and exit with 1 if the goal is missed on an H100."""
    if not torch.cuda.is_available():
        print("NOT RUN: this machine has no GPU. No figure for a GPU is claimed.")
        return
    device = torch.cuda.get_device_name()
    peak = next((value for name, value in PEAK_TFLOPS.items() if name in device), None)
    print(f"{device}, torch {torch.__version__}; attention apart from the plain one by {difference():.1e}", flush=True)
    table = Table("training", "tokens/s", "TFLOP/s", "MFU", "peak memory, GiB", "loss, first to last")
    best = 0.0
    with tempfile.TemporaryDirectory() as name:
        write_model(Path(name))
        for title, values in RUNS.items():
            rate, memory, losses = run(Path(name), values)
            tflops = rate * flops(lora="apply_lora" in values) / 1e12
            share = tflops / peak if peak else float("nan")
            best = best if "apply_lora" in values else max(best, share)
            learned = f"{losses[0]:.3f} to {losses[-1]:.3f}"
            table.add_row(title, f"{rate:,.0f}", f"{tflops:.0f}", f"{share:.0%}", f"{memory:.1f}", learned)
    Console(width=120).print(table)
    met = best >= GOAL
    print(f"goal: {GOAL:.0%} MFU for all weights on an H100: {'met' if met else 'MISSED'}, {best:.0%}")
    sys.exit(1 if "H100" in device and not met else 0)


def write_model(folder: Path) -> None:
    """Write random weights as a model folder."""
    set_seed(0)
    with torch.device("cuda"):
        model = Phi3ForCausalLM(CONFIG).to(torch.bfloat16)
    model.save_pretrained(folder / "model")
    del model
    torch.cuda.empty_cache()


def conversations(number: int) -> list[EncodedConversation]:
    """Return conversations of random tokens as long as ultrachat's (mean 1,200 tokens, two thirds the assistant's)."""
    draw = random.Random(0)  # noqa: S311
    found = []
    for _ in range(number):
        length = min(4096, max(64, int(draw.gauss(1200, 500))))
        ids = [draw.randrange(32000) for _ in range(length)]
        found.append(EncodedConversation(input_ids=ids, assistant_mask=[index % 300 >= 100 for index in range(length)]))
    return found


def flops(*, lora: bool) -> float:
    """Return the FLOPs of an average token."""
    hidden, layers = CONFIG.hidden_size, CONFIG.num_hidden_layers
    body = layers * (4 * hidden**2 + 3 * hidden * CONFIG.intermediate_size)
    chats = conversations(500)
    tokens = sum(len(chat.input_ids) for chat in chats)
    head = hidden * CONFIG.vocab_size * sum(chat.num_targets for chat in chats) / tokens
    seen = sum(min(at, CONFIG.sliding_window) for chat in chats for at in range(len(chat.input_ids))) / tokens
    return (4 if lora else 6) * (body + head) + 12 * layers * hidden * seen


def run(folder: Path, values: dict[str, Any]) -> tuple[float, float, list[float]]:
    """Return tokens a second, peak memory in GiB, and the losses."""
    clock = Clock()
    torch.cuda.reset_peak_memory_stats()
    arguments = FinetuneArguments(
        pytorch_model_path=folder / "model",
        train_file_path=folder / "none",
        mlflow_model_folder=folder / "out",
        max_steps=STEPS,
        precision="16",
        logging_steps=1,
        evaluation_strategy="disable",
        **values,
    )
    trainer: Trainer = build_trainer(arguments, Conversations(train=conversations(500), validation=[]))
    trainer.add_callback(clock)
    trainer.args.set_save(strategy="no")
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    memory = torch.cuda.max_memory_allocated() / 2**30
    del trainer
    gc.collect()
    torch.cuda.empty_cache()
    return statistics.median(clock.rates[WARM_UP:]), memory, losses


class Clock(TrainerCallback):
    """Tokens a second of every step, timed when the GPU is done with it."""

    def __init__(self) -> None:
        self.rates, self._tokens = list[float](), 0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        torch.cuda.synchronize()
        self._began = time.perf_counter()

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Stop the clock."""
        torch.cuda.synchronize()
        tokens, self._tokens = state.num_input_tokens_seen - self._tokens, state.num_input_tokens_seen
        self.rates.append(tokens / (time.perf_counter() - self._began))


def difference() -> float:
    """Return how far torch's kernel for rows of many lengths and plain attention are apart, in the logits."""
    small = Phi3Config(**{**CONFIG.to_dict(), "num_hidden_layers": 2, "sliding_window": 100})
    set_seed(0)
    model = Phi3ForCausalLM(small).to("cuda", torch.bfloat16)
    batch = collate(pack(conversations(4), max_length=4096))
    batch = {key: value.cuda() if isinstance(value, torch.Tensor) else value for key, value in batch.items()}
    logits = []
    for implementation in (attention.register(), "sdpa"):
        model.set_attn_implementation(implementation)
        with torch.inference_mode():
            logits.append(model(**batch).logits.float())
    return float((logits[0] - logits[1]).abs().max() / logits[1].abs().max())


if __name__ == "__main__":
    main()
