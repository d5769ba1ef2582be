"""A chat completion as OpenAI's stream of events, made of the pieces that a model yields."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

_DONE = "data: [DONE]\n\n"


@dataclass
class Stream:
    """The events of one answer: `first`, one `of` each piece, `last`.

    With `include_usage`, every chunk has the key `usage`, and one more chunk, without choices, tells it.
    """

    model: str
    include_usage: bool
    _id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    _created: int = field(default_factory=lambda: int(time.time()))
    _finish_reason: str | None = None
    _usage: dict[str, Any] | None = None

    def first(self) -> str:
        """Return the event that begins the answer."""
        return self._chunk({"role": "assistant", "content": ""})

    def of(self, piece: Any) -> str:
        """Return the event of what the model yielded, or nothing if it holds no content.

        A piece is a text, a chunk of MLflow's ChatModel, or one of its ChatAgent.
        """
        if isinstance(piece, str):
            return self._chunk({"content": piece})
        self._usage = piece.get("usage") or self._usage
        choices = piece.get("choices")
        choice = piece if choices is None else next(iter(choices), {})
        self._finish_reason = choice.get("finish_reason") or piece.get("finish_reason") or self._finish_reason
        delta = choice.get("delta") or {}
        kept = {key: delta[key] for key in ("content", "tool_calls") if delta.get(key)}
        return self._chunk(kept) if kept else ""

    def last(self) -> str:
        """Return the events that end the answer."""
        end = self._chunk({}, finish_reason=self._finish_reason or "stop")
        usage = self._event(choices=[], usage=self._usage) if self.include_usage else ""
        return end + usage + _DONE

    def _chunk(self, delta: dict[str, Any], *, finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self._event(choices=[choice], **({"usage": None} if self.include_usage else {}))

    def _event(self, **fields: Any) -> str:
        known = {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": self.model}
        return f"data: {json.dumps({**known, **fields})}\n\n"


def split(completion: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a whole answer as pieces of a word each, for a model that cannot yield them."""
    choice = completion["choices"][0]
    words = choice["message"]["content"].split(" ")
    pieces = [{"delta": {"content": word if number == 0 else f" {word}"}} for number, word in enumerate(words)]
    return [*pieces, {"finish_reason": choice.get("finish_reason"), "usage": completion.get("usage")}]
