"""Where conversations come from."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

UNREADABLE = "unreadable"
"""Key of a row that could not be read; its value says why."""

Row = dict[str, Any]
"""One conversation in ultrachat's schema: `prompt`, `prompt_id`, `messages: [{role, content}]`."""


class DataSettings(BaseModel):
    """Which conversations, how many of them, and how they are split; percentages are of conversations."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """`chitchat`, or the path of a JSON Lines file."""
    percentage: float = Field(gt=0, le=100)
    seed: int
    validation_percentage: float = Field(gt=0, lt=50)
    test_percentage: float = Field(gt=0, lt=50)
    max_quarantine_percentage: float = Field(ge=0, le=100)
    shuffle_answers: bool


def read(source: str) -> Iterator[Row]:
    """Yield the rows of a source in its own order, not validated.

    Raises DataError if there is no such source.
    """
    return _chitchat() if source == "chitchat" else _json_lines(Path(source))


def prompt_id(prompt: str) -> str:
    """Return the SHA-256 of a prompt in hex, as ultrachat_200k identifies its rows."""
    return hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()


def _chitchat() -> Iterator[Row]:
    """Yield the conversations of chitchat-dataset: the one who speaks first is the user.

    A turn is what one person wrote before the other answered; a last turn that nobody answered is left out, unless
    it is the only one.
    """
    from chitchat_dataset import Dataset

    for conversation in Dataset().values():
        turns = ["\n".join(message["text"] for message in turn) for turn in conversation["messages"]]
        answered = turns[: max(1, len(turns) // 2 * 2)]
        roles = ("user", "assistant")
        messages = [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(answered)]
        yield {"prompt": turns[0], "prompt_id": prompt_id(turns[0]), "messages": messages}


def _json_lines(path: Path) -> Iterator[Row]:
    try:
        lines = path.open("rb")
    except OSError as error:
        raise DataError(f"data.source {path}: {error.strerror}; give `chitchat` or a JSON Lines file") from None
    with lines:
        yield from map(_row, lines)


def _row(line: bytes) -> Row:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return {UNREADABLE: f"not JSON ({error}): {line[:100]!r}"}
    return _with_prompt(row) if isinstance(row, dict) else {UNREADABLE: "not a JSON object"}


def _with_prompt(row: Row) -> Row:
    """Return the row in ultrachat's schema: the prompt is the user's first message, other columns are dropped."""
    messages = row.get("messages")
    users = [
        message.get("content")
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, dict) and message.get("role") == "user"
    ]
    prompt = users[0] if users and isinstance(users[0], str) else ""
    return {"prompt": prompt, "prompt_id": prompt_id(prompt), "messages": messages}
