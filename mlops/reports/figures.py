"""Numbers as people read them."""

from __future__ import annotations

from typing import Final

GROUPED_FROM: Final = 10_000


def figure(value: float) -> str:
    """Return a number with four digits, or with all those before its point.

    >>> figure(0.0123456), figure(48_230.4)
    ('0.01235', '48,230')
    """
    return f"{value:,.0f}" if abs(value) >= GROUPED_FROM else f"{value:.4g}"
