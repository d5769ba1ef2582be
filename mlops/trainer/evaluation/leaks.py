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


def find_leaks(train: Path, examples: Sequence[Sequence[Message]]) -> list[bool]:
    """Tell of each example whether it, or one of its questions with the same answer, is in the training data.

    Case, punctuation and spaces do not matter. The training data is read line by line.
    """
    sought = [set(_exchanges(messages)) for messages in examples]
    everything = set().union(*sought)
    with train.open(encoding="utf-8") as lines:
        found = {
            exchange
            for line in lines
            if line.strip()
            for exchange in _exchanges(json.loads(line)["messages"])
            if exchange in everything
        }
    return [not exchanges.isdisjoint(found) for exchanges in sought]


def _exchanges(messages: Sequence[Message]) -> Iterator[bytes]:
    answered = ([before, after] for before, after in pairwise(messages) if after["role"] == "assistant")
    for part in (messages, *answered):
        said = [word for message in part for word in words(message["content"])]
        if len(said) >= LEAST_WORDS:
            yield hashlib.blake2b(" ".join(said).encode(), digest_size=16).digest()
