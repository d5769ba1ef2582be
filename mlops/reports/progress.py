"""One line that says how far long work is: alive on a terminal, printed now and then elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

PERIOD_S = 10.0


@contextmanager
def progress(console: Console) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line; on a terminal it replaces the one before, else one per ten seconds prints."""
    if console.is_terminal:
        with console.status("starting") as status:
            yield lambda line: status.update(_plain(line))
        return
    last = time.monotonic()

    def show(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PERIOD_S:
            last = time.monotonic()
            console.print(f"      {_plain(line)}", highlight=False)

    yield show


def _plain(line: str) -> str:
    return line.strip().replace("[", r"\[")[:150]
