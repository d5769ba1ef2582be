"""A scoring script as Azure ML's inference server loads it: `init` once, `run` for every request."""

from __future__ import annotations

import json
import os
from pathlib import Path

import joblib
import numpy as np

model = None


def init() -> None:
    """Load the model from where Azure ML puts it."""
    global model  # noqa: PLW0603 - this is how the inference server wants it
    model = joblib.load(Path(os.environ["AZUREML_MODEL_DIR"]) / "model.joblib")
    print("Init complete")


def run(raw_data: str) -> list[float]:
    """Predict a number for every row of `data`."""
    print("Request received")
    rows = np.array(json.loads(raw_data)["data"])
    return model.predict(rows).tolist()  # type: ignore[union-attr]  # init ran before
