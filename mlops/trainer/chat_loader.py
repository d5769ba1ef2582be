"""Load a saved model as MLflow's own chat model, where temperature 0 means greedy as in OpenAI's API, and streams.

This file is copied into the model folder and imported there alone. Without it transformers samples always
and refuses temperature 0.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ChatModel:
    """MLflow's chat model behind what it lacks."""

    model: Any

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer one chat, a data frame of one row, in the format llm/v1/chat."""
        if "temperature" in data and data["temperature"].iloc[0] == 0:
            data = data.drop(columns="temperature").assign(top_k=1)
        if "stop" in data and data["stop"].iloc[0]:
            # MLflow would look for the tokenizer on the hub, to find how each text is spelled in tokens.
            stop = {"stop_strings": data["stop"].iloc[0], "tokenizer": self.model.pipeline.tokenizer}
            data, params = data.drop(columns="stop"), {**(params or {}), **stop}
        return self.model.predict(data, params)

    def predict_stream(self, data: dict[str, Any], params: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Answer one chat as chunks of llm/v1/chat, each as soon as its tokens are there; the last has the usage."""
        import pandas as pd  # type: ignore[import-untyped]  # its types are another package
        from transformers import TextIteratorStreamer

        texts: Any = TextIteratorStreamer(self.model.pipeline.tokenizer, skip_prompt=True, skip_special_tokens=True)
        left = threading.Event()
        generation = {"streamer": texts, "stopping_criteria": [lambda *_, **__: left.is_set()]}
        with ThreadPoolExecutor(max_workers=1) as worker:
            answer = worker.submit(self.predict, pd.DataFrame([data]), {**(params or {}), **generation})
            answer.add_done_callback(lambda _: texts.end())  # a generation that fails ends the texts, too
            try:
                for text in _stripped(texts):
                    yield _chunk({"role": "assistant", "content": text})
            finally:
                left.set()
            whole = answer.result()[0]
        yield {**_chunk({}, whole["choices"][0]["finish_reason"]), "usage": whole["usage"]}


def _stripped(texts: Iterable[str]) -> Iterator[str]:
    """Leave out the blanks at the beginning, as MLflow does with a whole answer."""
    begun = False
    for text in texts:
        if kept := text if begun else text.lstrip():
            begun = True
            yield kept


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ChatModel:
    """Load for `mlflow.pyfunc.load_model`, which looks for this name."""
    import mlflow.transformers

    return ChatModel(mlflow.transformers._load_pyfunc(path, model_config))  # noqa: SLF001 (the loader's interface)
