"""What a record keeps of settings, one value after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def leaves(value: Any, path: str) -> Iterator[tuple[str, object]]:
    """Yield each value within mappings and lists, by its path.

    >>> dict(leaves({"rules": [{"metric": "loss"}], "power": 0.8}, "gate"))
    {'gate.rules.0.metric': 'loss', 'gate.power': 0.8}
    """
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inner is None:
        yield path, value
        return
    for key, each in inner:
        yield from leaves(each, f"{path}.{key}")
