"""Preferences for an alignment: what was asked, the answer that people prefer, and one that they do not."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mlops.datasets.validate import problem
from mlops.errors import DataError
from mlops.records import Split

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = ("chosen", "rejected")


def read_preferences(path: Path, *, uri: str) -> Split:
    """Return what JSON Lines of messages under `prompt`, `chosen` and `rejected` hold; nothing is left out.

    A question counts twice, as it is read before each of its answers. Raises DataError, naming the line, for a file
    that is missing, empty or no preferences.
    """
    digest, rows, characters = hashlib.sha256(), 0, 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                digest.update(line)
                rows += 1
                characters += _characters(f"{path}, line {number}", line)
    except OSError as error:
        raise DataError(f"finetune.preferences = {uri}: {error.strerror}; name a file of JSON Lines") from None
    if not rows:
        raise DataError(f"finetune.preferences = {uri}: the file is empty; write one preference a line")
    return Split(rows=rows, characters=characters, sha256=digest.hexdigest(), uri=uri)


def _characters(where: str, line: bytes) -> int:
    """Return the characters of both conversations of a row; raise DataError for one that cannot be learned from."""
    row = _row(where, line)
    found = 0
    for answer in ANSWERS:
        conversation = [*row["prompt"], *row[answer]]
        if len(row[answer]) != 1:
            raise DataError(f"{where}: {answer} must be one assistant message; what comes before belongs in prompt")
        if wrong := problem({"messages": conversation}):
            raise DataError(f"{where}: prompt and {answer}: {wrong.message}; mend the row, or take it out")
        found += sum(len(message["content"]) for message in conversation)
    return found


def _row(where: str, line: bytes) -> dict[str, list[Any]]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error}); write one object a line") from None
    wrong = [name for name in ("prompt", *ANSWERS) if not isinstance(row, dict) or not isinstance(row.get(name), list)]
    if wrong:
        raise DataError(
            f'{where}: {", ".join(wrong)}: no list of messages; a row must be {{"prompt": [messages], '
            '"chosen": [message], "rejected": [message]}'
        )
    checked: dict[str, list[Any]] = row
    return checked
