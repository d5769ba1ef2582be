"""The service's word for a state."""

from __future__ import annotations

from typing import Any


def word(state: Any) -> str:
    """Return the word, such as `Succeeded`; of the SDK's enums `str` would be the name in Python."""
    return str(getattr(state, "value", state))
