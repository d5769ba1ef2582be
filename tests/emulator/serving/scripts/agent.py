"""A ChatModel and a ChatAgent, as MLflow saves them from code."""

# ruff: noqa: ARG002 - the arguments of MLflow's interface

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import mlflow
from mlflow.types.agent import ChatAgentChunk, ChatAgentMessage, ChatAgentResponse


class Agent(mlflow.pyfunc.ChatAgent):
    """Say the last message again."""

    def predict(
        self, messages: list[ChatAgentMessage], context: Any = None, custom_inputs: Any = None
    ) -> ChatAgentResponse:
        """Answer with one message."""
        return ChatAgentResponse(messages=[_message(messages[-1].content)])

    def predict_stream(
        self, messages: list[ChatAgentMessage], context: Any = None, custom_inputs: Any = None
    ) -> Iterator[ChatAgentChunk]:
        """Answer word by word."""
        for word in messages[-1].content.split():
            yield ChatAgentChunk(delta=_message(f"{word} "))


def _message(text: str | None) -> ChatAgentMessage:
    return ChatAgentMessage(role="assistant", content=text, id=uuid.uuid4().hex)


mlflow.models.set_model(Agent())
