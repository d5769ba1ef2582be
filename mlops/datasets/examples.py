"""Per-example scores as the evaluation job writes them: one row per model and example."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from mlops.errors import RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

METRICS = ("loss", "perplexity", "rougeL", "bits_per_byte")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_scores(path: Path, *, sha256: str) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return model -> metric -> values, shape (examples,), ordered by example.

    Metrics that only some examples have (rougeL) keep those, for all models the same ones.
    Raises RecordError if the file is missing or is not the one the evaluation recorded.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if not path.is_file() or file_sha256(path) != sha256:
        raise RecordError(f"{path} is missing or is not what the evaluation wrote. Run the evaluate stage again.")
    table = pq.read_table(path).sort_by("example")
    scores: dict[str, dict[str, NDArray[np.float64]]] = {}
    for model in table["model"].unique().to_pylist():
        rows = table.filter(pc.equal(table["model"], model))
        columns = {name: rows[name].drop_null().to_numpy() for name in METRICS}
        scores[model] = {name: values.astype(np.float64) for name, values in columns.items() if len(values)}
    return scores
