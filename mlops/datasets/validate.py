"""What a conversation must be to be trained on: the rules of Azure's preprocess step and of Phi-3's template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.datasets.source import UNREADABLE

if TYPE_CHECKING:
    from mlops.datasets.source import Row


def problem(row: Row) -> str | None:
    """Return why a row cannot be trained on, or None.

    Roles: an optional system message first, then user and assistant in turn, an assistant last; no empty text, and
    no NUL or lone surrogate, which do not survive the tokenizers.
    """
    if UNREADABLE in row:
        return str(row[UNREADABLE])
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages must be a list with at least one message"
    return next((found for message in messages if (found := _message_problem(message))), None) or _order(messages)


def _message_problem(message: Any) -> str | None:
    if not isinstance(message, dict) or not isinstance(message.get("content"), str):
        return "each message must be an object with role and content, both text"
    if message.get("role") not in ("system", "user", "assistant"):
        return f"role {message.get('role')!r} is not one of system, user, assistant"
    if not message["content"].strip():
        return f"a message of the {message['role']} is empty"
    return _text_problem(message["content"])


def _text_problem(text: str) -> str | None:
    if "\0" in text:
        return "a message holds a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "a message is not valid Unicode (a lone surrogate)"
    return None


def _order(messages: list[dict[str, str]]) -> str | None:
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[0] == "system" else roles
    if len(turns) < 2:  # noqa: PLR2004 - a question and an answer
        return "nobody answered: a conversation needs a user's message and an assistant's"
    expected = ["user", "assistant"] * (len(turns) // 2) + ["user"] * (len(turns) % 2)
    if turns != expected:
        return f"roles must alternate between user and assistant, found {', '.join(roles[:6])}"
    return "the last message must be the assistant's" if turns[-1] == "user" else None
