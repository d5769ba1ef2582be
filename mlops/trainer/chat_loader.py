"""Load a saved model as MLflow's own chat model, where temperature 0 means greedy as in OpenAI's API.

This file is copied into the model folder and imported there alone. Without it transformers samples always
and refuses temperature 0.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ChatModel:
    """MLflow's chat model behind the one rule it lacks."""

    model: Any

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer one chat, a data frame of one row, in the format llm/v1/chat."""
        if "temperature" in data and data["temperature"].iloc[0] == 0:
            data = data.drop(columns="temperature").assign(top_k=1)
        return self.model.predict(data, params)


def _load_pyfunc(path: str, model_config: dict[str, Any] | None = None) -> ChatModel:
    """Load for `mlflow.pyfunc.load_model`, which looks for this name."""
    import mlflow.transformers

    return ChatModel(mlflow.transformers._load_pyfunc(path, model_config))  # noqa: SLF001 (the loader's interface)
