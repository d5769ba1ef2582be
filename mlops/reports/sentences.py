"""Sentences for whoever watches: between the margins of a terminal, or on the 100 columns of a log."""

from __future__ import annotations

import re
import textwrap
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

INDENT: Final = " " * 6
LOG_WIDTH: Final = 100
WHOLE: Final = re.compile(r"`[^`]+`|\s+::")
"""A command, and what comes before two colons: GitHub obeys a line of a log that begins with them."""
GLUE: Final = "\xa0"
"""Where a line is not broken."""


def say(console: Console, text: str, *, indent: str = INDENT, label: str = "", style: str | None = None) -> None:
    """Print lines of text; words, addresses and commands stay whole, so that they can be found, followed and run.

    A label stands where the indent of the first line would.
    """
    starts = chain([label or indent], repeat(indent))
    lines = [_fitted(f"{start}{line}", console, indent) for start, line in zip(starts, text.splitlines(), strict=False)]
    console.print("\n".join(lines), style=style, highlight=False, markup=False, soft_wrap=True)


def _fitted(line: str, console: Console, indent: str) -> str:
    width = console.width if console.is_terminal else LOG_WIDTH
    if len(line) <= width:
        return line
    first, text = line[: -len(line.lstrip())], WHOLE.sub(lambda each: re.sub(r"\s", GLUE, each[0]), line.lstrip())
    rest = max(indent, first, key=len)
    filled = textwrap.TextWrapper(
        width, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    ).fill(text)
    return filled.replace(GLUE, " ")
