"""A scoring script of an MLflow model that says the types of its input, from which the server makes its swagger."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.schema_decorators import input_schema, output_schema

model: Any = None


def init() -> None:
    """Load the one folder that the model's directory holds."""
    global model  # noqa: PLW0603 - this is how the inference server wants it
    (folder,) = Path(os.environ["AZUREML_MODEL_DIR"]).iterdir()
    model = mlflow.pyfunc.load_model(str(folder))


@input_schema("data", NumpyParameterType(np.array([[1.0, 2.0]])))
@output_schema(NumpyParameterType(np.array([[1.0, 2.0]])))
def run(data: np.ndarray) -> list[list[float]]:
    """Give the rows back."""
    return model.predict(data)["data"]
