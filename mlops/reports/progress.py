"""One line that says how far long work is: alive on a terminal, printed now and then elsewhere."""

from __future__ import annotations

import textwrap
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mlops.reports.sentences import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

PERIOD_S = 30.0
WIDTH = 85
"""Of a line, which is cut between words: with its time it fits on 100 columns."""
CUT = " …"


@contextmanager
def progress(console: Console, *, period_s: float = PERIOD_S) -> Iterator[Callable[[str], None]]:
    """Yield a function that takes the latest line of long work, with the time it has taken so far.

    A terminal always shows the latest line; anything else gets it every `period_s`, so that a log is not flooded.
    """
    shown = _on_terminal(console) if console.is_terminal else _in_log(console, period_s)
    with shown as show:
        yield show


@contextmanager
def _on_terminal(console: Console) -> Iterator[Callable[[str], None]]:
    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("")
        yield lambda line: bar.update(task, description=_short(line))


@contextmanager
def _in_log(console: Console, period_s: float) -> Iterator[Callable[[str], None]]:
    start, done, latest = time.monotonic(), threading.Event(), "started"

    def beat() -> None:
        while not done.wait(period_s):
            seconds = time.monotonic() - start
            say(console, f"{seconds:.0f} s: {latest}")

    def show(line: str) -> None:
        nonlocal latest
        latest = _short(line)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield show
    finally:
        done.set()
        thread.join()


def _short(line: str) -> str:
    """Return a line that fits, cut between words where it has some.

    >>> _short("candidate: " + "loss 5.793 " * 9)[-23:]
    '5.793 loss 5.793 loss …'
    >>> _short("azureml:" + "a" * 99)[:10], len(_short("azureml:" + "a" * 99))
    ('azureml:aa', 85)
    """
    short = textwrap.shorten(line, WIDTH, placeholder=CUT)
    return f"{line[: WIDTH - len(CUT)]}{CUT}" if short == CUT.strip() else short
