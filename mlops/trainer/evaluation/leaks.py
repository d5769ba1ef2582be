"""Which examples a model was trained on: what it learnt by heart proves nothing."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from mlops.trainer.chat import Message

from .answers import words

LEAST_WORDS = 13
"""A question and its answer of fewer words are small talk that anybody may repeat."""


def find_leaks(train: Sequence[Path], examples: Sequence[Sequence[Message]]) -> list[bool]:
    """Tell of each example whether it, or one of its questions with the same answer, is in the training data.

    Case, punctuation and spaces do not matter. The files, of conversations or of preferences, are read line by line.
    """
    sought = [set(_exchanges(messages)) for messages in examples]
    everything = set().union(*sought)
    found = {
        exchange
        for path in train
        for messages in _conversations(path)
        for exchange in _exchanges(messages)
        if exchange in everything
    }
    return [not exchanges.isdisjoint(found) for exchanges in sought]


def _conversations(path: Path) -> Iterator[list[Message]]:
    with path.open(encoding="utf-8") as lines:
        for record in map(json.loads, filter(str.strip, lines)):
            if "messages" in record:
                yield record["messages"]
            else:
                yield from (record["prompt"] + record[answer] for answer in ("chosen", "rejected"))


def _exchanges(messages: Sequence[Message]) -> Iterator[bytes]:
    answered = ([before, after] for before, after in pairwise(messages) if after["role"] == "assistant")
    for part in (messages, *answered):
        said = [word for message in part for word in words(message["content"])]
        if len(said) >= LEAST_WORDS:
            yield hashlib.blake2b(" ".join(said).encode(), digest_size=16).digest()
