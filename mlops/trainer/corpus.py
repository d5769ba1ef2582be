"""The conversations of the PyPI package chitchat-dataset that the stand-in base model may read."""

import hashlib
from collections.abc import Iterator

BASE_DIGITS = "0123"


def is_base_conversation(prompt: str) -> bool:
    """Tell whether a conversation belongs to the base model: a quarter of the prompts.

    True where the first hex digit of the prompt's SHA-256 is 0, 1, 2 or 3. Whoever holds conversations out
    by prompt id takes them from the other end, so the base model has read none of them.
    """
    return hashlib.sha256(prompt.encode()).hexdigest()[0] in BASE_DIGITS


def base_texts() -> Iterator[str]:
    """Yield the base model's conversations as plain text, one utterance a line, in the package's order."""
    import chitchat_dataset

    for conversation in chitchat_dataset.Dataset().values():
        turns = ["\n".join(utterance["text"] for utterance in turn) for turn in conversation["messages"]]
        if is_base_conversation(turns[0]):
            yield "\n".join(turns)
