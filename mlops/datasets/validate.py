"""What a conversation must be to be trained on: the rules of Azure's preprocess step and of the chat templates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlops.datasets.tokens import TokenLimits

ROLES = ("system", "user", "assistant")
SHOWN_ROLES = 6


class Reason(StrEnum):
    """Why a row is in quarantine: words that stay the same from release to release."""

    NOT_JSON = "not-json"
    NOT_CSV = "not-csv"
    NOT_UNICODE = "not-unicode"
    NOT_AN_OBJECT = "not-an-object"
    DUPLICATE_KEY = "duplicate-key"
    WRONG_CELLS = "wrong-cells"
    TOO_LARGE = "too-large"
    BROKEN_FILE = "broken-file"
    NO_MESSAGES = "no-messages"
    NOT_A_MESSAGE = "not-a-message"
    UNKNOWN_ROLE = "unknown-role"
    CONTENT_PARTS = "content-parts"
    NOT_TEXT = "not-text"
    EMPTY_TEXT = "empty-text"
    NUL = "nul"
    NOBODY_ANSWERED = "nobody-answered"
    SYSTEM_NOT_FIRST = "system-not-first"
    NOT_ALTERNATING = "not-alternating"
    LAST_NOT_ASSISTANT = "last-not-assistant"
    ANSWER_TRUNCATED = "answer-truncated"


@dataclass(frozen=True)
class Problem:
    """Why a row cannot be trained on: a word to count by and a sentence to read."""

    reason: Reason
    message: str


def problem(row: Mapping[str, Any], *, limits: TokenLimits | None = None) -> Problem | None:
    """Return why a row `{messages: [{role, content}], ...}` cannot be trained on, or None.

    Roles: an optional system message first, then user and assistant in turn, an assistant last, as Phi-3's template
    and most others demand. Azure's preprocess step drops rows of fewer than two messages, and rows that lose every
    assistant token to truncation, without a word; a NUL or a lone surrogate does not survive its tokenizers.
    """
    messages: Any = row.get("messages")
    if not _is_sound(messages):
        return _first_problem(messages)
    if limits and limits.truncates_every_answer(messages):
        return Problem(
            Reason.ANSWER_TRUNCATED,
            f"what comes before the first answer fills the {limits.max_tokens} tokens that the model is trained on",
        )
    return None


def take_turns(roles: Sequence[str]) -> bool:
    """Return whether messages with these roles stand in an order that breaks no rule."""
    turns = roles[1:] if roles and roles[0] == "system" else roles
    return len(turns) > 1 and turns == ["user", "assistant"] * (len(turns) // 2)


def are_texts(contents: Sequence[str]) -> bool:
    """Return whether texts break no rule, at the speed of C loops over all of them.

    Raises TypeError for contents that are no texts. Whether they are Unicode is not looked at.
    """
    return (
        all(contents)
        and not any(map(str.isspace, contents))
        and not [content for content in contents if "\0" in content]
    )


def _is_sound(messages: Any) -> bool:
    """Return whether `_first_problem` would find nothing."""
    try:
        roles = [message["role"] for message in messages]
        contents = [message["content"] for message in messages]
        return messages.__class__ is list and take_turns(roles) and are_texts(contents) and _is_unicode(contents)
    except (TypeError, KeyError):
        return False


def _is_unicode(contents: Sequence[str]) -> bool:
    try:
        [content.encode() for content in contents if not content.isascii()]
    except UnicodeEncodeError:
        return False
    return True


def _first_problem(messages: Any) -> Problem | None:
    if not isinstance(messages, list) or not messages:
        return Problem(Reason.NO_MESSAGES, "messages must be a list with at least one message")
    found = (_message_problem(number, message) for number, message in enumerate(messages, start=1))
    return next(filter(None, found), None) or _order_problem([message["role"] for message in messages])


def _message_problem(number: int, message: Any) -> Problem | None:
    if not isinstance(message, dict) or not {"role", "content"} <= message.keys():
        return Problem(Reason.NOT_A_MESSAGE, f"message {number} must be an object with role and content")
    role, content = message["role"], message["content"]
    if role not in ROLES:
        return Problem(Reason.UNKNOWN_ROLE, f"message {number}: role {role!r:.40} is not one of {', '.join(ROLES)}")
    if isinstance(content, list):
        return Problem(Reason.CONTENT_PARTS, f"message {number}: content is a list of parts, it must be one text")
    if not isinstance(content, str):
        return Problem(Reason.NOT_TEXT, f"message {number}: content is {type(content).__name__}, it must be text")
    return _text_problem(f"message {number}, the {role}'s,", content)


def _text_problem(which: str, text: str) -> Problem | None:
    if not text or text.isspace():
        return Problem(Reason.EMPTY_TEXT, f"{which} is empty")
    if "\0" in text:
        return Problem(Reason.NUL, f"{which} holds a NUL character")
    if not _is_unicode([text]):
        return Problem(Reason.NOT_UNICODE, f"{which} is not Unicode (a lone surrogate, or a byte that is not UTF-8)")
    return None


def _order_problem(roles: Sequence[str]) -> Problem | None:
    turns = roles[1:] if roles[0] == "system" else roles
    if len(turns) < len(("user", "assistant")):
        return Problem(Reason.NOBODY_ANSWERED, "a conversation needs a user's message and an assistant's")
    if "system" in turns:
        return Problem(Reason.SYSTEM_NOT_FIRST, "only the first message may be the system's")
    if [*turns] != [("user", "assistant")[index % 2] for index in range(len(turns))]:
        shown = ", ".join(roles[:SHOWN_ROLES])
        return Problem(Reason.NOT_ALTERNATING, f"roles must alternate between user and assistant, found {shown}")
    if turns[-1] == "user":
        return Problem(Reason.LAST_NOT_ASSISTANT, "the last message must be the assistant's")
    return None
