"""Text of strangers."""

from __future__ import annotations

from mlops.reports.visible import visible


def test_what_acts_is_replaced_and_what_is_read_stays() -> None:
    """Escapes and reversals go; line breaks, tabs and emoji of several parts stay."""
    family = "\U0001f468\u200d\U0001f469"
    assert visible(f"a\r\nb\tc {family}\x1b[31m\u202ed\x00") == f"a\nb\tc {family}\ufffd[31m\ufffdd\ufffd"
