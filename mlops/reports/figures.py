"""Numbers as people read them."""

from __future__ import annotations

from typing import Any

GROUPED_FROM, IMMENSE = 1e3, 1e12


def figure(value: float) -> str:
    """Return a number with four digits, or with all those before its point if it is not immense.

    >>> figure(0.0123456), figure(48_230.4), figure(1.2137e12)
    ('0.01235', '48,230', '1.214e12')
    """
    grouped = GROUPED_FROM <= abs(value) < IMMENSE
    return f"{value:,.0f}" if grouped else f"{value:.4g}".replace("e+", "e")


def setting(value: Any, name: str = "") -> str:
    """Return a setting's value in words; a percentage by its name.

    >>> setting(25.0, "test_percentage"), setting(False), setting({}), setting({"ngram": 13, "benchmarks": []})
    ('25 %', 'no', 'none', 'ngram: 13, benchmarks: none')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {setting(part, key)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(setting, value))
    return f"{value:g} %" if name.endswith("percentage") else str(value)


def signed(value: float) -> str:
    """Return a change with its sign and four decimals; none at all is never negative.

    >>> signed(0.25), signed(-0.00001)
    ('+0.2500', '+0.0000')
    """
    return f"{value:+z.4f}"
