"""What is an answer: whether a person would call it one, and how much it has in common with another, pure."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

MIN_LOOP: Final = 20
MAX_LOOP: Final = 0.2
"""Of MIN_LOOP words or more, less than this share being different ones is a loop."""
MIN_READABLE: Final = 0.6
BROKEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")


def whole(text: str) -> str:
    """Return a text without half a character at its end, where the limit of tokens has cut one."""
    return text.rstrip("\ufffd")


def is_bad(text: str) -> bool:
    """Return whether no person would call it an answer: empty, of broken characters, of signs, or in a loop."""
    text = whole(text)
    if not text.strip() or BROKEN.search(text):
        return True
    readable = sum(char.isalnum() or char.isspace() for char in text) / len(text)
    words = text.lower().split()
    return readable < MIN_READABLE or (len(words) >= MIN_LOOP and len(set(words)) / len(words) < MAX_LOOP)


def rouge_1(text: str, reference: str) -> float:
    """Return the F-measure of common words, 0 to 1 (ROUGE-1, Lin 2004)."""
    found, wanted = (Counter(re.findall(r"\w+", each.lower())) for each in (text, reference))
    common = (found & wanted).total()
    return 2 * common / (found.total() + wanted.total()) if common else 0.0
