"""Times as people and programs read them, in UTC."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

MINUTE_S: Final = 60
HOUR_S: Final = 3600


def duration(seconds: float) -> str:
    """Return a time span as a person says it.

    >>> duration(42), duration(3605)
    ('42 s', '1 h 0 min')
    """
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < HOUR_S:
        return f"{seconds // MINUTE_S:.0f} min {seconds % MINUTE_S:.0f} s"
    return f"{seconds // HOUR_S:.0f} h {seconds % HOUR_S // MINUTE_S:.0f} min"


def moment(at: datetime | None) -> str:
    """Return a time as a person reads it."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def iso(at: datetime | None) -> str:
    """Return a time as a program reads it."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="seconds")
