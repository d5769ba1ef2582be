"""Behavior cases in the manner of CheckList (Ribeiro et al. 2020): minimum function, invariance, direction.

A file of JSON Lines, each a case with `name`, `kind` and, by kind:

    minimum     messages, matches     the answer must match the regular expression
    invariance  messages, variant     the answers to both must be alike: chrF of `least` (default 0.5) or more
    direction   messages, better, worse   `better` must be the likelier answer of the two
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops.trainer.chat import Message
from mlops.trainer.errors import TrainerError

from .answers import Answer, similarity

NEEDED = {"minimum": ("matches",), "invariance": ("variant",), "direction": ("better", "worse")}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case; what its kind has no use for is empty."""

    name: str
    kind: str
    messages: list[Message]
    matches: str = ""
    variant: list[Message] | None = None
    least: float = 0.5
    better: str = ""
    worse: str = ""
    topic: str = ""

    @property
    def prompts(self) -> list[list[Message]]:
        """Give the chats that need an answer."""
        return [] if self.kind == "direction" else [self.messages, *([self.variant] if self.variant else [])]

    @property
    def alternatives(self) -> list[list[Message]]:
        """Give the chats whose likelihoods are compared: the better one first."""
        answers = [self.better, self.worse] if self.kind == "direction" else []
        return [[*self.messages, {"role": "assistant", "content": answer}] for answer in answers]

    def passes(self, answers: Sequence[Answer], losses: Sequence[float]) -> bool:
        """Judge the case by the answers to its prompts and the losses of its alternatives."""
        if self.kind == "minimum":
            return re.search(self.matches, answers[0].text) is not None
        if self.kind == "invariance":
            texts = [answer.text for answer in answers]
            return all(texts) and similarity(*texts) >= self.least
        return losses[0] < losses[1]


def read_cases(path: Path) -> list[Case]:
    """Read the cases of a file; raises TrainerError naming the line of one that is not right."""
    with path.open(encoding="utf-8") as lines:
        return [_case(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _case(path: Path, number: int, line: str) -> Case:
    try:
        values: dict[str, Any] = json.loads(line)
        case = Case(**values)
        missing = [name for name in NEEDED[case.kind] if not getattr(case, name)]
        re.compile(case.matches)
    except (ValueError, TypeError, KeyError, re.error) as error:
        raise TrainerError(f"{path}, line {number}: no behavior case: {error!r}. Write it so:\n{__doc__}") from error
    if missing:
        raise TrainerError(f"{path}, line {number}: a case of kind {case.kind} must have {', '.join(missing)}.")
    return case
