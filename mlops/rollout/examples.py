"""What deployments are asked: held-out conversations with people's answers, and behavior cases, pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mlops.rollout.probe import Message

PER_CASE: Final = 4
"""Conversations between two behavior cases: ten cases are asked four times each in 200 requests."""


@dataclass(frozen=True)
class Example:
    """A held-out conversation up to the user's question, and the answer a person gave, if one is known.

    A behavior case has a regular expression instead that the answer must match.
    """

    number: int
    messages: tuple[Message, ...]
    reference: str = ""
    matches: str = ""


def endless(examples: Sequence[Example], cases: Sequence[Example] = ()) -> Iterator[Example]:
    """Yield the examples for ever, and a behavior case after every few of them."""
    asked, checked = cycle(examples), cycle(cases)
    while True:
        yield from islice(asked, PER_CASE)
        yield from islice(checked, 1)
