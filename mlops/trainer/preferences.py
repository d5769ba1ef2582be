"""Preferences: what was asked, the answer people preferred, and the one they did not."""

import json
from pathlib import Path
from typing import Any

from .chat import Message
from .data import read_message
from .errors import TrainerError

COLUMNS = ("prompt", "chosen", "rejected")

Preference = dict[str, list[Message]]


def read_preferences(path: Path) -> list[Preference]:
    """Read JSON Lines whose rows hold messages under prompt, chosen and rejected; other columns are left out."""
    if not path.is_file():
        raise TrainerError(f"{path}: no such file. Give the path of a JSON Lines file.")
    with path.open(encoding="utf-8") as lines:
        rows = [_row(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise TrainerError(f"{path}: no preferences. Write one JSON object a line.")
    return rows


def _row(path: Path, number: int, line: str) -> Preference:
    try:
        record: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise TrainerError(f"{path}, line {number}: not JSON ({error}). Write one JSON object a line.") from error
    missing = [name for name in COLUMNS if not isinstance(record, dict) or not isinstance(record.get(name), list)]
    if missing:
        raise TrainerError(
            f"{path}, line {number}: {', '.join(missing)}: no list of messages. A row is "
            '{"prompt": [messages], "chosen": [messages], "rejected": [messages]}. Correct the row.'
        )
    row = {name: [read_message(path, number, message) for message in record[name]] for name in COLUMNS}
    for name in ("chosen", "rejected"):
        if [message["role"] for message in row[name]] != ["assistant"]:
            raise TrainerError(
                f"{path}, line {number}: {name} must be one assistant message; what comes before belongs in prompt. "
                "Correct the row."
            )
    return row
