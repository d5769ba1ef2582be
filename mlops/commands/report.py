"""`mlops report`: one page with everything of a run, to keep or to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("report", help=report.__doc__, description=report.__doc__)
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--environment", help="add the training's curves from this environment's workspace")
    parser.set_defaults(command=report)


def report(run: str, environment: str | None) -> None:
    """Write runs/RUN/report.html: from data to traffic in one page that opens without a network."""
    from mlops.reports import run_report
    from mlops.runs import RUNS, find
    from mlops.studio import views
    from mlops.studio.source import open_workspace

    release = views.release(find(run))
    curves = views.training_curves(open_workspace(environment), release) if environment else {}
    print(run_report.write(release, RUNS / run, curves=curves))
