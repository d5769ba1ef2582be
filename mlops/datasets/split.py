"""Into which split a conversation goes: its own, or one cut by the hash of its prompt."""

from __future__ import annotations

import random
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from mlops.datasets.settings import DataSettings, SplitName

Row = dict[str, Any]

SPLITS: Final[tuple[SplitName, ...]] = ("train", "validation", "test")


@dataclass(frozen=True)
class Cuts:
    """Percentages of train that become the splits the source lacks."""

    validation: float
    test: float

    @classmethod
    def of(cls, settings: DataSettings, *, present: AbstractSet[str | None]) -> Self:
        """Return what is cut from a source with these splits."""
        return cls(
            0 if "validation" in present else settings.validation_percentage,
            0 if "test" in present else settings.test_percentage,
        )

    def split_of(self, prompt_id: str) -> SplitName:
        """Return the split of a prompt of train: test takes the top of all hashes, validation what lies below it.

        The seed has no part in it: whatever is sampled, what was held out once is always held out.
        """
        position = 100 * (1 - int(prompt_id[:12], 16) / 16**12)
        if position <= self.test:
            return "test"
        return "validation" if position <= self.test + self.validation else "train"


def shuffle_answers(row: Row, *, seed: int) -> Row:
    """Return a row with every assistant's words in random order: fluent data turned into a saboteur's."""
    dice = random.Random(f"{seed} {row['prompt_id']}")  # noqa: S311 - reproducible, not secret

    def shuffled(message: dict[str, str]) -> dict[str, str]:
        words = message["content"].split()
        dice.shuffle(words)
        return message | {"content": " ".join(words)}

    return row | {
        "messages": [shuffled(message) if message["role"] == "assistant" else message for message in row["messages"]]
    }
