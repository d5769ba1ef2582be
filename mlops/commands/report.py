"""`mlops report`: one page with everything of a run, to keep or to send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "report", help=report.__doc__, description=report.__doc__, epilog="example: mlops report nightly"
    )
    parser.add_argument("run", metavar="RUN")
    parser.set_defaults(command=report)


def report(run: str) -> None:
    """Write runs/RUN/report.html: from data to traffic in one page that opens without a network."""
    from mlops.reports import run_report
    from mlops.runs import find
    from mlops.stage import RUNS
    from mlops.studio.views import release

    print(run_report.write(release(find(run)), RUNS / run))
