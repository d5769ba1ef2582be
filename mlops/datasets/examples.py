"""Per-example scores as the evaluation job writes them: one row per model and example."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from mlops.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

LABELS: Final = ("suite", "key", "language", "length", "topic")
TEXTS: Final = ("prompt", "prediction", "reference")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_scores(path: Path, *, sha256: str) -> dict[str, dict[str, NDArray[Any]]]:
    """Return model -> column -> values, shape (examples,): labels as text, numbers masked where nothing was measured.

    Raises RecordError if the file is missing or is not the one the evaluation recorded.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    _check(path, sha256)
    schema = pq.read_schema(path)
    numbers = [field.name for field in schema if not pa.types.is_string(field.type)]
    table = pq.read_table(path, columns=["model", *LABELS, *numbers])
    models = pc.unique(table["model"]).to_pylist()
    parts = {model: table.filter(pc.field("model") == model) for model in models}
    return {
        model: {name: _labels(part[name]) for name in LABELS} | {name: _numbers(part[name]) for name in numbers}
        for model, part in parts.items()
    }


def read_answers(path: Path, *, sha256: str) -> list[dict[str, Any]]:
    """Return the rows whose question was answered, with texts and scores.

    Raises RecordError if the file is missing or is not the one the evaluation recorded.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    _check(path, sha256)
    columns = ["model", "suite", "key", "loss", "rougeL", *TEXTS]
    rows: list[dict[str, Any]] = pq.read_table(
        path, columns=columns, filters=pc.field("prediction").is_valid()
    ).to_pylist()
    return rows


def add_preferences(path: Path, preferences: Mapping[str, float], *, reference: str) -> None:
    """Write the column `preference`: of the candidate what a judge said, of the reference what is left of 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    of = {"candidate": preferences, reference: {key: 1 - value for key, value in preferences.items()}}
    rows = zip(table["model"].to_pylist(), table["key"].to_pylist(), strict=True)
    column = pa.array([of.get(model, {}).get(key) for model, key in rows], pa.float64())
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(table.append_column("preference", column), unfinished)
    unfinished.replace(path)


def _check(path: Path, sha256: str) -> None:
    if not path.is_file() or file_sha256(path) != sha256:
        raise RecordError(f"{path} is missing or is not what the evaluation wrote. Run the evaluate stage again.")


def _labels(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.array(column.fill_null("").to_pylist(), dtype=np.str_)


def _numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    import pyarrow as pa

    values = column.cast(pa.float64()).combine_chunks()
    return np.ma.masked_array(values.fill_null(0.0).to_numpy(), mask=values.is_null().to_numpy(zero_copy_only=False))
