"""A scoring script that says where it runs, and fails when told to."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

import joblib
import sizes

model: Any = None


def init() -> None:
    """Load the model from where Azure ML puts it."""
    global model  # noqa: PLW0603 - this is how the inference server wants it
    (file,) = Path(os.environ["AZUREML_MODEL_DIR"]).iterdir()
    model = joblib.load(file)
    print("printed by init")
    logging.getLogger("azmlinfsrv").info("Init complete")


def run(raw_data: str) -> dict[str, Any]:
    """Predict a number for every row, and tell of the surroundings."""
    rows = json.loads(raw_data)["data"]
    return {
        "predictions": model.predict(rows).tolist(),
        "model": [file.name for file in Path(os.environ["AZUREML_MODEL_DIR"]).rglob("*")],
        "model_dir": os.environ["AZUREML_MODEL_DIR"],
        "app_root": os.environ["AML_APP_ROOT"],
        "cwd": str(Path.cwd()),
        "variable": os.environ["GREETING"],
        "unit": Path("unit.txt").read_text().strip(),
        "size": sizes.SIZE,
    }
