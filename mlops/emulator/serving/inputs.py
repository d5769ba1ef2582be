"""The `input_data` formats that Azure's script for MLflow models takes, and the JSON it answers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # its types are another package

_TABLE = {"columns", "index", "data"}


def parse(body: Any) -> tuple[Any, dict[str, Any] | None]:
    """Return the model's input and its parameters from a request's body.

    `input_data` may be a table split into columns, index and data, which becomes a data frame; a list,
    which becomes an array, or stays as it is if it holds texts or objects; an object of named tensors; or a text.
    Raises ValueError without it.
    """
    if not isinstance(body, dict) or "input_data" not in body:
        raise ValueError("The body must be a JSON object with the key 'input_data'.")
    return _parse(body["input_data"]), body.get("params")


def dumps(result: Any) -> str:
    """Return a prediction as JSON: a data frame as records, an array as lists."""
    return json.dumps(result, default=_plain)


def _parse(data: Any) -> Any:
    if isinstance(data, dict) and "data" in data and data.keys() <= _TABLE:
        return pd.DataFrame(data["data"], columns=data.get("columns"), index=data.get("index"))
    if isinstance(data, dict):
        return {name: np.asarray(tensor) for name, tensor in data.items()}
    if isinstance(data, list) and not any(isinstance(item, (str, dict)) for item in data):
        return np.asarray(data)
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, pd.DataFrame):
        return value.to_dict(orient="records")
    if isinstance(value, pd.Series):
        return value.tolist()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"A prediction of type {type(value).__name__} has no JSON form.")
