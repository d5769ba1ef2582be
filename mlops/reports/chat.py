"""A conversation on the terminal, as a person reads a chat: the user on the right, the assistant on the left."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.align import Align
from rich.cells import cell_len
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.text import Text

from mlops.reports.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.align import AlignMethod
    from rich.console import Console

SIDES: Final[Mapping[str, AlignMethod]] = {"user": "right", "assistant": "left", "system": "center"}
STYLES: Final = {"user": "cyan", "assistant": "green", "system": "dim"}
SHARE: Final = 0.8
"""Of the width, what a message may take."""
FRAME: Final = 4
"""Columns around a message; a role stands between two more."""


def show(console: Console, row: Mapping[str, Any], *, number: int) -> None:
    """Print a conversation under a line with its number and the beginning of its id."""
    console.rule(Text(f"{number} · {row['prompt_id'][:12]}"), style="dim")
    console.print(Group(*(_bubble(message, console.width, title=message["role"]) for message in row["messages"])))


def show_answer(console: Console, text: str, *, who: str) -> None:
    """Print an answer under who gave it."""
    console.print(_bubble({"role": "assistant", "content": text}, console.width, title=who))


@contextmanager
def answering(console: Console) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows an answer as it grows; what it showed goes when the block ends.

    Only a terminal shows it.
    """
    with Live(Spinner("dots"), console=console, transient=True) as live:

        def show(text: str) -> None:
            if text:
                live.update(_bubble({"role": "assistant", "content": text}, console.width, title="…"))

        yield show


def _bubble(message: Mapping[str, str], width: int, *, title: str) -> Align:
    role, text = message["role"], visible(message["content"]).expandtabs(4)
    needed = max(map(cell_len, [f" {title} ", *text.split("\n")])) + FRAME
    size = min(needed, int(width * SHARE))
    return Align(Panel(Text(text), title=title, title_align="left", border_style=STYLES[role], width=size), SIDES[role])
