"""The chat formats a container speaks: OpenAI's, and that of Azure's foundation-model server."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_TASKS = ("llm/v1/chat", "chat-completion")
_PARAMETERS = (
    "max_tokens",
    "temperature",
    "top_p",
    "stop",
    "n",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
)


class InvalidRequestError(Exception):
    """What the foundation-model server cannot make sense of."""


class EngineError(Exception):
    """What the inference engine answers to a request that it refuses."""

    status = 400


def is_chat(description: dict[str, Any]) -> bool:
    """Return whether the MLmodel file describes a chat model."""
    transformers = description["flavors"].get("transformers", {})
    metadata = description.get("metadata") or {}
    flavor_tasks = (transformers.get("task"), transformers.get("inference_task"))
    tasks = (*flavor_tasks, metadata.get("task"), metadata.get("base_model_task"))
    return any(task in _TASKS for task in tasks)


def from_foundation_request(body: Any) -> dict[str, Any]:
    """Return the chat completion that `{"input_data": {"input_string": [...], "parameters": {...}}}` means.

    Raises InvalidRequestError for anything else. Azure hands the parameters to its engine under their own names;
    here `max_new_tokens` and `do_sample` are put into OpenAI's words, so that they have their effect.
    """
    data = body.get("input_data") if isinstance(body, dict) else None
    messages = data.get("input_string") if isinstance(data, dict) else None
    parameters = data.get("parameters", {}) if isinstance(data, dict) else None
    if not isinstance(messages, list) or not isinstance(parameters, dict):
        raise InvalidRequestError(
            "The body must be {'input_data': {'input_string': [<message>, ...], 'parameters': {...}}}."
        )
    translated = dict(parameters)
    if "max_new_tokens" in translated:
        translated["max_tokens"] = translated.pop("max_new_tokens")
    if translated.pop("do_sample", None) is False:
        translated["temperature"] = 0.0
    return {"messages": messages, **translated}


def to_foundation_reply(completion: dict[str, Any]) -> dict[str, Any]:
    """Return a chat completion as the foundation-model server answers it."""
    choice = completion["choices"][0]
    kept = {key: completion[key] for key in ("usage", "model", "id")}
    message = choice["message"]
    return {
        "output": message["content"],
        "message": message,
        "finish_reason": choice["finish_reason"],
        **kept,
    }


def engine_request(body: Any) -> dict[str, Any]:
    """Return what MLflow's chat model is asked; raise EngineError for what is no chat completion."""
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not messages:
        raise EngineError("'messages' must be a list of at least one message.")
    for number, message in enumerate(messages):
        # A list of lists, as some published programs send it, is refused here, as by Azure's engine.
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise EngineError(f"'messages[{number}]' must be an object with 'role' and 'content', not {message!r}.")
        if not isinstance(message.get("content"), str):
            raise EngineError(f"'messages[{number}].content' must be a string.")
    parameters = {key: body[key] for key in _PARAMETERS if body.get(key) is not None}
    return {"messages": messages, **parameters}


def completion(answer: Any, *, model: str) -> dict[str, Any]:
    """Return MLflow's answer as OpenAI's chat completion, with the fields that the model left out."""
    found: dict[str, Any] = answer[0] if isinstance(answer, list) else answer
    return {
        "object": "chat.completion",
        "usage": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
        **{key: value for key, value in found.items() if value is not None},
        "id": found.get("id") or f"chatcmpl-{uuid.uuid4().hex}",
        "created": found.get("created") or int(time.time()),
        "model": found.get("model") or model,
    }


def events(answer: dict[str, Any]) -> Iterator[str]:
    """Yield a chat completion as the data of OpenAI's stream: a chunk per word, the end, and `[DONE]`."""
    choice = answer["choices"][0]
    shared = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    words = choice["message"]["content"].split(" ")
    for number, word in enumerate(words):
        delta = {"role": "assistant", "content": word if number == 0 else f" {word}"}
        yield json.dumps({**shared, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": choice.get("finish_reason") or "stop"}
    yield json.dumps({**shared, "choices": [last]})
    yield "[DONE]"
