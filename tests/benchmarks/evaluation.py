"""Measure the evaluation's answers beside one-row-at-a-time generation on the same model and rows, in one run.

    python tests/benchmarks/evaluation.py

One row at a time is what the registry's evaluation step does: its `model_prediction` hands rows to a text-generation
pipeline. Both run greedily on the CPU, in turns; the answers must be equal.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported

ROWS, NEW_TOKENS, ROUNDS, FLOOR, EQUAL = 96, 40, 3, 8.0, 0.98


def ours(model: Any, tokenizer: Any, chats: list[Any]) -> list[str]:
    """Answer in batches by length, as the evaluation job does."""
    from mlops.trainer.generate import generate_answers

    answers = generate_answers(
        model, tokenizer, chats, batch_tokens=16_384, max_length=1024 - NEW_TOKENS, max_new_tokens=NEW_TOKENS
    )
    return [answer.text for answer in answers]


def one_at_a_time(model: Any, tokenizer: Any, chats: list[Any]) -> list[str]:
    """Answer row by row with transformers' text-generation pipeline."""
    from transformers import pipeline

    generate = pipeline("text-generation", model=model, tokenizer=tokenizer)
    answers = (generate(chat, max_new_tokens=NEW_TOKENS, do_sample=False, return_full_text=False) for chat in chats)
    return [answer[0]["generated_text"].strip() for answer in answers]


def main() -> int:
    """Measure; return 1 if the floor was missed."""
    model, tokenizer, chats = _subject()
    ours(model, tokenizer, chats[:8])
    one_at_a_time(model, tokenizer, chats[:2])
    ratios, answers = [], {}
    print(f"{ROWS} rows, {NEW_TOKENS} new tokens, examples/s\n{'ours':>8} {'peer':>8} {'ratio':>7}")
    for _ in range(ROUNDS):
        rates = {}
        for name, answer in (("ours", ours), ("peer", one_at_a_time)):
            start = time.perf_counter()
            answers[name] = answer(model, tokenizer, chats)
            rates[name] = ROWS / (time.perf_counter() - start)
        ratios.append(rates["ours"] / rates["peer"])
        print(f"{rates['ours']:8.1f} {rates['peer']:8.1f} {ratios[-1]:6.1f}x", flush=True)
    equal = sum(a == b for a, b in zip(answers["ours"], answers["peer"], strict=True)) / ROWS
    met = median(ratios) >= FLOOR and equal >= EQUAL
    print(f"median {median(ratios):.1f}x (floor {FLOOR:g}x), {equal:.0%} of the answers equal (floor {EQUAL:.0%}): "
          f"{'met' if met else 'missed'}")  # fmt: skip
    return 0 if met else 1


def _subject() -> tuple[Any, Any, list[Any]]:
    """Return a model of the stand-in's size, barely trained, and chats of chitchat that end with the user."""
    import chitchat_dataset

    from mlops.trainer.model_folder import load
    from mlops.trainer.stand_in import BaseModel, build_base

    with tempfile.TemporaryDirectory() as folder:
        build_base(Path(folder) / "base", spec=BaseModel(num_tokens=16_384))
        model, tokenizer = load(Path(folder) / "base")
    chats = []
    for conversation in chitchat_dataset.Dataset().values():
        turns = ["\n".join(utterance["text"] for utterance in turn) for turn in conversation["messages"]][:5]
        roles = ("user", "assistant")
        chat = [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns) if turn.strip()]
        if chat and chat[-1]["role"] == "user" and len(chats) < ROWS:
            chats.append(chat)
    return model.eval(), tokenizer, chats


if __name__ == "__main__":
    sys.exit(main())
