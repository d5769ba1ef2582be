"""Waiting for what is about to happen elsewhere, in another process or on the emulator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_for(condition: Callable[[], object], *, timeout_s: float = 120) -> None:
    """Return when the condition holds; fail if it does not come about in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "It did not come about."
        time.sleep(0.05)  # between two looks
