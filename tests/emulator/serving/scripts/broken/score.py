"""A scoring script that cannot begin."""

from __future__ import annotations


def init() -> None:
    """Fail."""
    raise RuntimeError("the weights have gone")


def run(raw_data: str) -> str:
    """Never be called."""
    return raw_data
