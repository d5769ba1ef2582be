"""What a model answers, word for word the same every time."""

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from .chat import Message
from .evaluation.answers import Answer
from .score import by_length


def split_last_answer(messages: Sequence[Message]) -> tuple[list[Message], str]:
    """Give the messages before the last assistant message, and that message."""
    last = max(index for index, message in enumerate(messages) if message["role"] == "assistant")
    return list(messages[:last]), messages[last]["content"]


def generate_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    chats: Sequence[Sequence[Message]],
    *,
    batch_tokens: int,
    max_length: int,
    max_new_tokens: int,
) -> list[Answer]:
    """Answer each chat greedily. Of a chat longer than max_length tokens the last ones are read.

    A batch holds chats of like length, at most batch_tokens tokens with padding and answers.
    """
    prompts = [_prompt(tokenizer, chat)[-max_length:] for chat in chats]
    answers = [Answer(text="", truncated=False, latency_s=0.0)] * len(chats)
    ends = _end_tokens(model)
    for indices in by_length([len(prompt) + max_new_tokens for prompt in prompts], batch_tokens=batch_tokens):
        start = time.perf_counter()
        batch = tokenizer.pad(
            {"input_ids": [prompts[index] for index in indices]}, padding_side="left", return_tensors="pt"
        )
        tokens = _generate(model, batch.to(model.device), max_new_tokens=max_new_tokens).tolist()
        seconds = (time.perf_counter() - start) / len(indices)
        for index, row in zip(indices, tokens, strict=True):
            text = str(tokenizer.decode(row, skip_special_tokens=True)).strip()
            answers[index] = Answer(text=text, truncated=ends.isdisjoint(row), latency_s=seconds)
    return answers


def _prompt(tokenizer: PreTrainedTokenizerBase, chat: Sequence[Message]) -> list[int]:
    encoded: Any = tokenizer.apply_chat_template(
        list(chat), add_generation_prompt=True, return_dict=True, tokenizer_kwargs={"verbose": False}
    )
    return list(encoded["input_ids"])


def _end_tokens(model: PreTrainedModel) -> set[int]:
    ends = model.generation_config.eos_token_id
    return set(ends if isinstance(ends, list) else [ends])


@torch.inference_mode()
def _generate(model: Any, batch: Any, *, max_new_tokens: int) -> torch.Tensor:
    own = model.generation_config
    greedy = GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        no_repeat_ngram_size=own.no_repeat_ngram_size,
    )
    tokens: torch.Tensor = model.generate(**batch, generation_config=greedy)
    return tokens[:, batch["input_ids"].shape[1] :]
