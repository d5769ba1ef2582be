"""The scoring script of MLflow models that bring none: Azure's formats of `input_data`, and the model's swagger.

It is run as a file by Azure's inference server, maybe in an environment where nothing else of this project is.
"""

# inference_schema and pandas ship no types.
# mypy: disable-error-code="import-untyped, misc, untyped-decorator"

from __future__ import annotations

import json
import logging
import os
from io import StringIO
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema
from mlflow.models import Model

_LOG = logging.getLogger(__name__)
# These models take texts, and objects of texts, as they come.
_LANGUAGE_FLAVORS = {"transformers", "langchain", "openai"}
_SPLIT = {"columns", "index", "data"}


class _Untyped(AbstractParameterType):
    """What is passed on as it came."""

    def __init__(self) -> None:
        super().__init__(None)

    def deserialize_input(self, input_data: Any) -> Any:
        return input_data

    def input_to_swagger(self) -> dict[str, Any]:
        return {"type": "object", "example": {}}


def _type(sample: Any, *, orient: str) -> AbstractParameterType:
    if isinstance(sample, pd.DataFrame):
        return PandasParameterType(sample, enforce_shape=False, orient=orient)
    if isinstance(sample, np.ndarray):
        return NumpyParameterType(sample, enforce_shape=False)
    if isinstance(sample, dict) and all(isinstance(tensor, np.ndarray) for tensor in sample.values()):
        types = {name: NumpyParameterType(tensor, enforce_shape=False) for name, tensor in sample.items()}
        return StandardPythonParameterType(types)
    return _Untyped()


def _input_type(description: Model) -> AbstractParameterType:
    """Return the type of `input_data`: that of the model's example, else of its signature, else any."""
    sample = _example(description)
    return _type(_sample(description, "inputs") if sample is None else sample, orient="split")


def _example(description: Model) -> Any:
    try:
        return description.load_input_example(str(FOLDER))
    except (OSError, ValueError, mlflow.MlflowException) as error:  # as on Azure, it costs no more than the swagger
        _LOG.warning("The model's input example cannot be read: %s", error)
        return None


def _sample(description: Model, side: str) -> Any:
    """Return zeros, or a table without rows, as the signature says of one side."""
    schema = getattr(description.signature, side, None)
    if schema is None:
        return None
    if not schema.is_tensor_spec():
        if not schema.has_input_names():
            return None
        names = schema.input_names()
        types = dict(zip(names, schema.pandas_types(), strict=True))
        return pd.DataFrame(columns=names).astype(types)
    # -1 is a dimension of any length.
    tensors = [np.zeros([max(1, size) for size in tensor.shape], dtype=tensor.type) for tensor in schema.inputs]
    return dict(zip(schema.input_names(), tensors, strict=True)) if schema.has_input_names() else tensors[0]


def _params_type(description: Model) -> AbstractParameterType:
    params = description.signature.params if description.signature else None
    if not params:
        return _Untyped()
    return StandardPythonParameterType({param.name: param.default for param in params.params})


def _parse(data: Any) -> Any:
    """Return what the model takes, if its signature has not said it already."""
    if isinstance(data, (np.ndarray, pd.DataFrame)) or "hftransformersv2" in FLAVORS:
        return data
    if isinstance(data, str):
        return data if _LANGUAGE_FLAVORS & FLAVORS else _parse(json.loads(data))
    if _LANGUAGE_FLAVORS & FLAVORS and _holds_texts(data):
        return data
    if isinstance(data, list):
        return np.asarray(data)
    if data.keys() >= _SPLIT:
        return pd.read_json(StringIO(json.dumps(data)), orient="split", dtype=False)
    return {name: np.asarray(tensor) for name, tensor in data.items()}


def _holds_texts(data: Any) -> bool:
    if isinstance(data, dict):
        return all(
            isinstance(value, str) or (isinstance(value, list) and _holds_texts(value)) for value in data.values()
        )
    return all(isinstance(item, str) or (isinstance(item, dict) and _holds_texts(item)) for item in data)


def _plain(result: Any) -> Any:
    if isinstance(result, pd.Series):
        result = pd.DataFrame(result)
    if isinstance(result, pd.DataFrame):
        return result.to_dict(orient="records")
    return result.tolist() if isinstance(result, np.ndarray) else result


# At import, as the server looks at the signature of `run` before it calls `init`.
FOLDER = Path(os.environ["AZUREML_MODEL_DIR"], os.environ["MLFLOW_MODEL_FOLDER"])
DESCRIPTION = Model.load(str(FOLDER))
FLAVORS = DESCRIPTION.flavors.keys()
MODEL = mlflow.pyfunc.load_model(str(FOLDER))


def init() -> None:
    """Do nothing: the model is loaded."""
    _LOG.info("Initializing MLflow scoring script")


@input_schema("input_data", _input_type(DESCRIPTION))
@input_schema("params", _params_type(DESCRIPTION), optional=True)
@output_schema(_type(_sample(DESCRIPTION, "outputs"), orient="records"))
def run(input_data: Any, params: dict[str, Any] | None = None) -> Any:
    """Answer one request."""
    return _plain(MODEL.predict(_parse(input_data), params=params))
