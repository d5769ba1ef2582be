"""A saved model answers as OpenAI's chat does, whole or as it goes."""

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pytest

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Is red nice?"}], "max_tokens": 12, "temperature": 0.0}


@pytest.fixture(scope="module")
def model(base_folder: Path) -> Any:
    """Load a saved model as a server does."""
    return mlflow.pyfunc.load_model(str(base_folder))


def test_chunks_join_to_the_whole_answer(model: Any) -> None:
    """What is streamed is what `predict` answers, and the last chunk says why it ended and what it took."""
    whole = model.predict(CHAT)[0]
    *chunks, last = model.predict_stream(CHAT)
    text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
    assert text.rstrip() == whole["choices"][0]["message"]["content"].rstrip()
    assert last["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert last["usage"] == whole["usage"]
    assert whole["usage"]["completion_tokens"] == 12


def test_an_answer_ends_at_a_stop_text(model: Any) -> None:
    """Generation ends early; nothing is looked up on the hub for that, as MLflow would."""
    text = model.predict(CHAT)[0]["choices"][0]["message"]["content"]
    answer = model.predict({**CHAT, "stop": list(set(text))})[0]
    assert answer["usage"]["completion_tokens"] < CHAT["max_tokens"]
    assert answer["choices"][0]["finish_reason"] == "stop"


def test_a_stream_that_is_left_ends_the_generation(model: Any) -> None:
    """Closing it does not wait for the tokens that nobody will read."""
    stream = model.predict_stream({**CHAT, "max_tokens": 10**6})
    next(stream)
    stream.close()  # would outlast the test
