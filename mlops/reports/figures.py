"""Numbers as people read them."""

from __future__ import annotations

GROUPED_FROM, IMMENSE = 1e3, 1e12


def figure(value: float) -> str:
    """Return a number with four digits, or with all those before its point if it is not immense.

    >>> figure(0.0123456), figure(48_230.4), figure(1.2137e12)
    ('0.01235', '48,230', '1.214e12')
    """
    grouped = GROUPED_FROM <= abs(value) < IMMENSE
    return f"{value:,.0f}" if grouped else f"{value:.4g}".replace("e+", "e")


def signed(value: float) -> str:
    """Return a change with its sign and four decimals; none at all is never negative.

    >>> signed(0.25), signed(-0.00001)
    ('+0.2500', '+0.0000')
    """
    return f"{value:+z.4f}"
