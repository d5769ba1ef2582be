"""Which conversations are taken, and into which split: by hash, so that order and number of files never matter."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mlops.datasets.source import DataSettings, Row

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


def split_of(row: Row, settings: DataSettings) -> SplitName:
    """Return the split of a row: all conversations with one prompt go to the same one.

    Prompt ids are uniform over [0, 1): test takes the top, validation what lies below it.
    """
    position = 100 * (1 - int(row["prompt_id"][:12], 16) / 16**12)
    if position <= settings.test_percentage:
        return "test"
    return "validation" if position <= settings.test_percentage + settings.validation_percentage else "train"


def is_sampled(row: Row, settings: DataSettings) -> bool:
    """Return whether a row is in the sample; a smaller percentage takes a part of a larger one's rows."""
    text = f"{settings.seed}\0" + "\0".join(message["content"] for message in row["messages"])
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:6]) < settings.percentage / 100 * 256**6


def shuffle_answers(rows: list[Row], *, seed: int) -> list[Row]:
    """Return the rows with every assistant's words in random order: fluent data turned into a saboteur's."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def shuffled(content: str) -> str:
        words = content.split()
        dice.shuffle(words)
        return " ".join(words)

    return [
        row
        | {
            "messages": [
                message | {"content": shuffled(message["content"])} if message["role"] == "assistant" else message
                for message in row["messages"]
            ]
        }
        for row in rows
    ]
