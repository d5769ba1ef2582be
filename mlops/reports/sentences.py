"""Sentences for whoever watches: between the margins of a terminal, in one piece in a log."""

from __future__ import annotations

import textwrap
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

INDENT: Final = " " * 6


def say(console: Console, text: str, *, indent: str = INDENT, label: str = "", style: str | None = None) -> None:
    """Print lines of text; words and addresses stay whole, so that they can be found and followed.

    A label stands where the indent of the first line would.
    """
    starts = chain([label or indent], repeat(indent))
    lines = [_fitted(f"{start}{line}", console, indent) for start, line in zip(starts, text.splitlines(), strict=False)]
    console.print("\n".join(lines), style=style, highlight=False, markup=False, soft_wrap=True)


def _fitted(line: str, console: Console, indent: str) -> str:
    if not console.is_terminal or len(line) <= console.width:
        return line
    return textwrap.fill(line, console.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
