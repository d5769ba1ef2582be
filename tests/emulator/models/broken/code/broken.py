"""A model that cannot be loaded."""

from __future__ import annotations

from typing import NoReturn


def _load_pyfunc(path: str) -> NoReturn:
    raise RuntimeError(f"weights are missing in {path}")
