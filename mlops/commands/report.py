"""`mlops report`: one page with everything of a run, to keep or to send."""

from __future__ import annotations

from mlops.commands.parsers import Commands, add_command


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, report, "mlops report nightly")
    parser.add_argument("run", metavar="RUN")


def report(run: str) -> None:
    """Write runs/RUN/report.html: from data to traffic in one page that opens without a network."""
    from mlops.reports import run_report
    from mlops.runs import find
    from mlops.stage import RUNS
    from mlops.studio.views import release

    print(run_report.write(release(find(run)), RUNS / run))
