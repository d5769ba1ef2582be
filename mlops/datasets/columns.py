"""Which columns of a source hold the conversation: the common shapes are recognized, settings have the last word."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import orjson

from mlops.datasets.validate import Problem, Reason, problem
from mlops.errors import DataError

if TYPE_CHECKING:
    from mlops.datasets.settings import ColumnName

Raw = dict[str, Any]
"""One row of a source, as it was read."""
Row = dict[str, Any]
"""One conversation in ultrachat's schema: `prompt`, `prompt_id`, `messages: [{role, content}]`."""

COMMON: Final[dict[ColumnName, tuple[str, ...]]] = {
    "messages": ("messages", "conversation", "chat", "dialogue", "dialog"),
    "conversations": ("conversations",),
    "prompt": ("prompt", "question", "query", "inputs"),
    "response": ("response", "completion", "answer", "targets"),
    "instruction": ("instruction",),
    "input": ("input", "context"),
    "output": ("output", "response", "completion"),
    "system": ("system", "system_prompt"),
}
"""What `data.columns` may name, and the columns it is looked for in where it does not."""
SHAPES: Final[tuple[tuple[ColumnName, ...], ...]] = (
    ("messages",),
    ("conversations",),
    ("prompt", "response"),
    ("instruction", "output"),
)
KEYS: Final = (("role", "content"), ("from", "value"), ("from", "content"), ("role", "value"))
OPTIONAL: Final[tuple[ColumnName, ...]] = ("input", "system")
ROLES: Final = {"human": "user", "prompter": "user", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant"}
"""ShareGPT's, OpenAssistant's and Gemini's words for the two roles."""


def prompt_id(prompt: str) -> str:
    """Return the SHA-256 of a prompt in hex, as ultrachat_200k identifies its rows."""
    return hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where a row keeps its conversation: in a list of messages, or in the columns of a question and its answer.

    `prompt` is the column that repeats the first user's message, if there is one: enough of a row to sample by.
    """

    messages: str | None = None
    role: str = "role"
    content: str = "content"
    user: tuple[str, ...] = ()
    assistant: str = ""
    system: str | None = None
    prompt: str | None = None

    def __str__(self) -> str:
        """Return what people are shown."""
        shown = (
            {"messages": self.messages, "role": self.role, "content": self.content}
            if self.messages
            else {"user": " + ".join(self.user), "assistant": self.assistant}
        )
        return ", ".join(f"{name}: {column}" for name, column in (shown | {"system": self.system}).items() if column)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the columns that must be read."""
        found = (self.messages, *self.user, self.assistant, self.system, self.prompt)
        return tuple(dict.fromkeys(name for name in found if name))

    def row(self, raw: Raw) -> Row | Problem:
        """Return a row in ultrachat's schema, or what is wrong with its shape; its text is not judged."""
        found = self._listed(raw) if self.messages else self._pair(raw)
        if isinstance(found, Problem):
            return found
        if self.system and (text := raw.get(self.system)) and found[0]["role"] != "system":
            found.insert(0, {"role": "system", "content": text})
        prompt = (raw.get(self.prompt) if self.prompt else None) or _first_user(found)
        prompt = prompt if prompt.__class__ is str else ""
        return {"prompt": prompt, "prompt_id": prompt_id(prompt), "messages": found}

    def _listed(self, raw: Raw) -> list[dict[str, Any]] | Problem:
        role, content = self.role, self.content
        listed: Any = raw.get(self.messages or "")
        try:
            if listed.__class__ is str:
                listed = orjson.loads(listed)  # a cell of a CSV file
            found = [{"role": ROLES.get(turn[role], turn[role]), "content": turn[content]} for turn in listed]
        except (TypeError, KeyError, orjson.JSONDecodeError):
            found = []
        if found and listed.__class__ is list:
            return found
        named = [_named(turn, role, content) for turn in listed] if isinstance(listed, list) else listed
        return problem({"messages": named}) or _missing(self.messages)

    def _pair(self, raw: Raw) -> list[dict[str, Any]] | Problem:
        if self.assistant not in raw:
            return _missing(self.assistant)
        parts = [part for name in self.user if (part := raw.get(name)) not in (None, "")]
        strange = [part for part in parts if not isinstance(part, str)]
        question = strange[0] if strange else "\n\n".join(parts)
        return [{"role": "user", "content": question}, {"role": "assistant", "content": raw[self.assistant]}]


def detect(rows: Sequence[Raw], *, given: Mapping[ColumnName, str]) -> Columns:
    """Return the columns that hold the conversations of these first rows; `given` maps common names to columns.

    Raises DataError if no common shape is recognized, or if a given column does not exist.
    """
    if not rows:
        return Columns(messages=given.get("messages", "messages"))
    missing = [column for column in given.values() if not any(column in raw for raw in rows)]
    if missing:
        raise DataError(
            f"data.columns names {', '.join(missing)}, but the source has {_names(rows)}: name one of these"
        )
    columns = recognized(rows, given)
    if columns is None:
        raise DataError(
            f"no conversation is recognized in {_names(rows)}: name its columns in data.columns, as "
            "{messages: COLUMN}, {prompt: COLUMN, response: COLUMN} or {instruction: COLUMN, output: COLUMN}"
        )
    if unused := [f"{name}: {column}" for name, column in given.items() if column not in columns.names]:
        raise DataError(
            f"data.columns names {', '.join(unused)}, which has no part in a conversation of {columns}: delete it"
        )
    return replace(columns, prompt="prompt") if all(_repeats(columns, raw) for raw in rows) else columns


def recognized(rows: Sequence[Raw], given: Mapping[ColumnName, str]) -> Columns | None:
    """Return the first shape that any row fits, those with a given column before the others.

    A row may leave out its system message or its input: these columns may stand in any other.
    """
    options = {name: (given[name],) if name in given else COMMON[name] for name in COMMON}
    optional = {name: next(filter(None, (_first_of(options[name], raw) for raw in rows)), None) for name in OPTIONAL}
    shapes = sorted(SHAPES, key=lambda shape: not given.keys() & set(shape))
    fitting = (_fitting(shape, raw, options) for shape in shapes for raw in rows)
    columns = next(filter(None, fitting), None)
    if columns is None:
        return None
    takes_input = columns.user and (columns.user[0] in options["instruction"] or "input" in given)
    addition = (optional["input"],) if takes_input and optional["input"] else ()
    return replace(columns, user=(*columns.user, *addition), system=optional["system"])


def _fitting(shape: tuple[ColumnName, ...], raw: Raw, options: Mapping[ColumnName, tuple[str, ...]]) -> Columns | None:
    question, answer = (_first_of(options[name], raw) for name in (shape[0], shape[-1]))
    if question is None or answer is None:
        return None
    if len(shape) > 1:
        return Columns(user=(question,), assistant=answer) if question != answer else None
    keys = _keys(raw[question])
    return Columns(messages=question, role=keys[0], content=keys[1]) if keys else None


def _first_of(columns: Sequence[str], raw: Raw) -> str | None:
    return next((column for column in columns if column in raw), None)


def _keys(turns: Any) -> tuple[str, str] | None:
    """Return what a list of turns calls role and content; a cell of a CSV file holds the list as JSON."""
    if isinstance(turns, str):
        try:
            turns = orjson.loads(turns)
        except orjson.JSONDecodeError:
            return None
    first = turns[0] if isinstance(turns, list) and turns else None
    fitting = (keys for keys in KEYS if isinstance(first, dict) and first.keys() >= set(keys))
    return next(fitting, None)


def _repeats(columns: Columns, raw: Raw) -> bool:
    """Return whether the column `prompt` says what the first user says; a row that is no conversation does not tell."""
    row = columns.row(raw)
    return isinstance(raw.get("prompt"), str) and (isinstance(row, Problem) or raw["prompt"] == row["prompt"])


def _first_user(messages: Sequence[Mapping[str, Any]]) -> Any:
    return next((message["content"] for message in messages if message["role"] == "user"), "")


def _named(turn: Any, role: str, content: str) -> Any:
    if not isinstance(turn, dict):
        return turn
    return {name: turn[key] for name, key in (("role", role), ("content", content)) if key in turn}


def _missing(column: str | None) -> Problem:
    return Problem(Reason.NO_MESSAGES, f"the row has nothing in its column {column}")


def _names(rows: Sequence[Raw]) -> str:
    return ", ".join(dict.fromkeys(name for raw in rows for name in raw)) or "no column"
