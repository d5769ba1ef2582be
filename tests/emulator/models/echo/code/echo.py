"""A chat model without weights: it says what it was told, and does what some words say."""

from __future__ import annotations

import json
import os
import time
from typing import Any


class Echo:
    """Answer in the form of MLflow's chat models."""

    def predict(self, request: dict[str, Any], params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a chat completion whose text is the last message, or what that asks for."""
        text = request["messages"][-1]["content"]
        command, _, argument = text.partition(" ")
        if command == "sleep":
            time.sleep(float(argument))  # as it was asked to
        if command == "fail":
            raise RuntimeError(argument)
        if command == "exit":
            os._exit(3)
        if command == "pid":
            text = str(os.getpid())
        if command == "parameters":
            given = {key: value for key, value in request.items() if key != "messages"}
            text = json.dumps(given | (params or {}), sort_keys=True)
        message = {"role": "assistant", "content": text}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def _load_pyfunc(_: str) -> Echo:
    return Echo()
