"""A training job as people see it: a bar that moves on a terminal, a line a minute elsewhere, its loss as a picture."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.prompt import Confirm

from mlops.reports import plots
from mlops.reports.progress import progress
from mlops.reports.tables import note
from mlops.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from mlops.finetuning.progress import Progress as Training
    from mlops.records import FinetuningPlan
    from mlops.reports.plots import Losses

    Show = Callable[[Training | None, str], None]

PERIOD_S: Final = 60.0
MOST_POINTS: Final = 40
"""Of a curve in a step summary, where GitHub draws it."""
MERMAID: Final = """```mermaid
xychart-beta
  title "Training loss"
  x-axis "step" {first} --> {last}
  y-axis "loss"
  line [{values}]
```"""


@contextmanager
def display(console: Console) -> Iterator[Show]:
    """Yield a function that takes where a training is, or None before it has logged anything, and the job's status."""
    if console.is_terminal:
        with _bar(console) as show:
            yield show
        return
    with progress(console, period_s=PERIOD_S) as line:
        yield lambda training, status: line(f"{status.lower()} · {training}" if training else status.lower())


@contextmanager
def _bar(console: Console) -> Iterator[Show]:
    text = TextColumn("{task.description}", markup=False)
    with Progress(SpinnerColumn(), TimeElapsedColumn(), BarColumn(), text, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def show(training: Training | None, status: str) -> None:
            if training:
                bar.update(task, total=1.0, completed=training.share, description=str(training))
            else:
                bar.update(task, description=status.lower())

        yield show


def asks_to_cancel(console: Console, job: str, usd_per_hour: float) -> bool:
    """Return whether the person at the terminal, if there is one, wants a job ended that was only watched."""
    if not (console.is_terminal and sys.stdin.isatty()):
        return False
    question = f"Cancel job {job}? It goes on by itself otherwise, at about {usd_per_hour:.2f} USD/h"
    return Confirm.ask(question, console=console, default=False)


def keep_plan(folder: Path, plan: FinetuningPlan) -> None:
    """Write `finetune-plan.json`."""
    write_whole(folder / "finetune-plan.json", plan.model_dump_json(indent=2).encode())


def keep_curves(folder: Path, losses: Losses) -> Path:
    """Write `loss.svg`, and the training's curve to GitHub's step summary; return the picture."""
    path = folder / "loss.svg"
    write_whole(path, plots.standalone(plots.losses(losses)).encode())
    note(mermaid(losses["loss"]))
    return path


def mermaid(points: Sequence[tuple[int, float]]) -> str:
    """Return a curve as a chart that GitHub draws."""
    shown = points[:: -(-len(points) // MOST_POINTS)]
    values = ", ".join(f"{value:.4f}" for _, value in shown)
    return MERMAID.format(first=shown[0][0], last=shown[-1][0], values=values)
