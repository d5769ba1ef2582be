"""From a conversation to tokens and to the mask of those the assistant wrote."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

Message = dict[str, str]

GENERATION_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")
IGNORED = -100  # the label that torch's cross-entropy leaves out


@dataclass(frozen=True, kw_only=True)
class EncodedConversation:
    """Tokens of one conversation and, per token, whether the assistant wrote it."""

    input_ids: list[int]
    assistant_mask: list[bool]

    @property
    def labels(self) -> list[int]:
        """Give the token where the assistant wrote it, else the label the loss ignores."""
        return [
            token if written else IGNORED for token, written in zip(self.input_ids, self.assistant_mask, strict=True)
        ]

    @property
    def num_targets(self) -> int:
        """Count the tokens the loss is taken on: a first token has nothing before it to be predicted from."""
        return sum(self.assistant_mask[1:])

    def truncate(self, max_length: int) -> "EncodedConversation":
        """Keep the first max_length tokens."""
        return EncodedConversation(
            input_ids=self.input_ids[:max_length], assistant_mask=self.assistant_mask[:max_length]
        )


def encode(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> EncodedConversation:
    """Apply the model's own chat template; raises what the template raises for roles it refuses."""
    if GENERATION_MARKER.search(str(tokenizer.chat_template)):
        encoded: Any = tokenizer.apply_chat_template(
            list(messages),
            return_dict=True,
            return_assistant_tokens_mask=True,
            tokenizer_kwargs={"verbose": False},  # what is too long is cut by us
        )
        mask = [bool(written) for written in encoded["assistant_masks"]]
        return EncodedConversation(input_ids=list(encoded["input_ids"]), assistant_mask=mask)
    return _encode_by_prefixes(tokenizer, messages)


def _encode_by_prefixes(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> EncodedConversation:
    """Find the assistant's characters by rendering every prefix: templates of real models lack markers."""
    text = _render(tokenizer, messages)
    spans = [
        _assistant_span(tokenizer, messages, index, text=text)
        for index, message in enumerate(messages)
        if message["role"] == "assistant"
    ]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    mask = [any(start <= first < end for start, end in spans) for first, _ in encoded["offset_mapping"]]
    return EncodedConversation(input_ids=encoded["input_ids"], assistant_mask=mask)


def _assistant_span(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], index: int, *, text: str
) -> tuple[int, int]:
    start = len(_render(tokenizer, messages[:index], add_generation_prompt=True))
    through = _render(tokenizer, messages[: index + 1])
    # Some templates close every rendering with the end-of-text token, which no longer stands there in the whole.
    if not text.startswith(through):
        through = through.removesuffix(str(tokenizer.eos_token))
    return start, start + len(text[start : len(through)].rstrip())


def _render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, add_generation_prompt: bool = False
) -> str:
    rendered: Any = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=add_generation_prompt
    )
    return str(rendered)
