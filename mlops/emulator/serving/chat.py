"""The chat formats a container speaks: OpenAI's, and that of Azure's foundation-model server."""

from __future__ import annotations

import time
import uuid
from typing import Any

# Of MLflow's transformers flavor and Azure's registry; of MLflow's ChatModel and ChatAgent.
_TASKS = ("llm/v1/chat", "chat-completion", "agent/v1/chat", "agent/v2/chat")
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
    if body.get("stream_options") is not None and not body.get("stream"):
        raise EngineError("'stream_options' can only be given when 'stream' is true.")
    given = {"max_tokens": body.get("max_completion_tokens"), **body}
    parameters = {key: given[key] for key in _PARAMETERS if given.get(key) is not None}
    return {"messages": [_message(number, message) for number, message in enumerate(messages)], **parameters}


def completion(answer: Any, *, model: str) -> dict[str, Any]:
    """Return the answer of MLflow's model as OpenAI's chat completion, with the fields that the model left out."""
    found: dict[str, Any] = answer[0] if isinstance(answer, list) else answer
    if "choices" not in found:
        found = _of_agent(found)
    return {
        "object": "chat.completion",
        "usage": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
        **{key: value for key, value in found.items() if value is not None},
        "id": found.get("id") or f"chatcmpl-{uuid.uuid4().hex}",
        "created": found.get("created") or int(time.time()),
        "model": found.get("model") or model,
    }


def _message(number: int, message: Any) -> dict[str, Any]:
    # A list of lists, as some published programs send it, is refused here, as by Azure's engine.
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise EngineError(f"'messages[{number}]' must be an object with 'role' and 'content', not {message!r}.")
    content = message.get("content")
    if isinstance(content, list) and all(isinstance(part, dict) and "text" in part for part in content):
        return {**message, "content": "".join(str(part["text"]) for part in content)}
    if not isinstance(content, str):
        raise EngineError(f"'messages[{number}].content' must be a string, or a list of texts.")
    return message


def _of_agent(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what a ChatAgent answers, a list of messages, as one choice: its last message."""
    message = {"role": "assistant", "content": answer["messages"][-1].get("content") or ""}
    choice = {"index": 0, "message": message, "finish_reason": answer.get("finish_reason") or "stop"}
    return {"choices": [choice], "usage": answer.get("usage")}
