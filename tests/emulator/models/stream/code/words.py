"""A chat model that says the words it was told one after another, and does what some words say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_POLL_S = 0.01


class Words:
    """Answer in the form of MLflow's chat models, whole or in chunks."""

    def predict(self, request: dict[str, Any], params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the last message as a whole."""
        chunks = list(self.predict_stream(request, params))
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        message = {"role": "assistant", "content": text}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": chunks[-1]["usage"]}

    def predict_stream(self, request: dict[str, Any], params: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield a chunk per word; `wait-for:PATH` awaits a file, `told-when-left:PATH` makes one, `fail:` raises."""
        words, told = request["messages"][-1]["content"].split(), None
        try:
            for word in words:
                command, _, argument = word.partition(":")
                while command == "wait-for" and not Path(argument).exists():
                    time.sleep(_POLL_S)  # between two looks
                if command == "fail":
                    raise RuntimeError(argument)
                yield _chunk({"role": "assistant", "content": f"{word} "})
                if command == "told-when-left":
                    told = Path(argument)
        except GeneratorExit:
            if told is not None:
                told.touch()
            raise
        usage = {"prompt_tokens": 1, "completion_tokens": len(words), "total_tokens": 1 + len(words)}
        yield {**_chunk({}, finish_reason="length" if params else "stop"), "usage": usage}


def _chunk(delta: dict[str, str], *, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def _load_pyfunc(_: str) -> Words:
    return Words()
