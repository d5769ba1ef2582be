"""Per-example scores as the evaluation job writes them: one row per model and example."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops.errors import RecordError

Row = dict[str, Any]

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

METRICS = ("loss", "perplexity", "rougeL", "bits_per_byte")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_scores(path: Path, *, sha256: str) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return model -> metric -> values, shape (examples,), of the examples that every model has a value for.

    Raises RecordError if the file is missing or is not the one the evaluation recorded.
    """
    import pyarrow.parquet as pq

    if not path.is_file() or file_sha256(path) != sha256:
        raise RecordError(f"{path} is missing or is not what the evaluation wrote. Run the evaluate stage again.")
    rows = pq.read_table(path, columns=["model", "example", *METRICS]).to_pylist()
    by_model: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_model.setdefault(row["model"], {})[row["example"]] = row
    columns = {metric: _aligned(by_model, metric) for metric in METRICS}
    return {model: {metric: columns[metric][model] for metric in METRICS} for model in by_model}


def _aligned(by_model: dict[str, dict[int, Row]], metric: str) -> dict[str, NDArray[np.float64]]:
    scored = [{example for example, row in rows.items() if row[metric] is not None} for rows in by_model.values()]
    shared = sorted(set.intersection(*scored))
    return {model: np.array([rows[example][metric] for example in shared]) for model, rows in by_model.items()}
