"""Text of strangers, made safe to look at: nothing in it moves the cursor or turns the direction of writing."""

from __future__ import annotations

import re
from typing import Final

INVISIBLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Control characters, and those that make text look like other text; the zero-width joiner of emoji is none."""


def visible(text: str) -> str:
    r"""Return a text with a replacement character for what would act instead of being read.

    >>> visible("Hello\x1b[2J")
    'Hello�[2J'
    """
    return INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
