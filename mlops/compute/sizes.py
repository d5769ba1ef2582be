"""What is known of GPU sizes without asking Azure: their GPU, and when they were retired."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from mlops.errors import InputError


@dataclass(frozen=True)
class Gpu:
    """A GPU: memory in GB, and the peak of dense 16-bit matrix products in TFLOPS."""

    name: str
    memory: int
    tflops: int
    bf16: bool


def gpu(size: str) -> Gpu | None:
    """Return the GPU of a size, or None if the table does not know the size.

    Raises InputError if the size was retired: a cluster of it cannot be had.
    """
    entry = find(size)
    if entry is None:
        return None
    if "retired" in entry:
        raise InputError(f"{size} was retired by Azure on {entry['retired']}; choose a size with A100 or newer GPUs")
    return Gpu(entry["gpu"], **table()["gpus"][entry["gpu"]])


def find(size: str) -> dict[str, Any] | None:
    """Return the entry of a size, in any case of letters, or None."""
    return next((entry for name, entry in table()["sizes"].items() if name.lower() == size.lower()), None)


@cache
def table() -> dict[str, Any]:
    """Return the table as it is written."""
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("sizes.yml").read_text(encoding="utf-8"))
    return document
