"""Look at the runs of this folder, compare them, go on with one: list, show, compare, resume."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from mlops.runs import Run


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add `runs` and its own commands to the command line."""
    nouns = commands.add_parser("runs", help=__doc__, description=__doc__, epilog="example: mlops runs show nightly")
    verbs = nouns.add_subparsers(required=True, metavar="COMMAND")
    listed = verbs.add_parser(
        "list", help=list_all.__doc__, description=list_all.__doc__, epilog="example: mlops runs list --json"
    )
    listed.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    listed.set_defaults(command=list_all)
    shown = verbs.add_parser(
        "show", help=show.__doc__, description=show.__doc__, epilog="example: mlops runs show nightly"
    )
    shown.add_argument("run", metavar="RUN")
    shown.add_argument("--json", action="store_true", dest="as_json", help="print the last record, which holds all")
    shown.set_defaults(command=show)
    compared = verbs.add_parser(
        "compare", help=compare.__doc__, description=compare.__doc__, epilog="example: mlops runs compare nightly mine"
    )
    compared.add_argument("first", metavar="RUN")
    compared.add_argument("second", metavar="RUN")
    compared.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    compared.set_defaults(command=compare)
    resumed = verbs.add_parser(
        "resume",
        help=resume.__doc__,
        description=resume.__doc__,
        epilog="example: mlops runs resume nightly --environment dev",
    )
    resumed.add_argument("run", metavar="RUN")
    resumed.add_argument("--environment", required=True, help="which settings: local, dev or prod")
    resumed.set_defaults(command=resume)


def list_all(*, as_json: bool) -> None:
    """List the runs, the youngest first: how far each came, and how it ended."""
    import json

    from mlops.records import STAGES
    from mlops.reports.tables import Table, show, terminal
    from mlops.runs import find_all

    runs = find_all()
    if as_json:
        print(json.dumps([_summary(run) for run in runs], indent=2))
        return
    how_far = {stage: f"{number}/{len(STAGES)} {stage}" for number, stage in enumerate(STAGES, start=1)}
    rows = ((run.name, f"{run.finished:%Y-%m-%d %H:%M}", how_far.get(run.stage, ""), run.outcome) for run in runs)
    show(terminal(), Table("Runs", ("run", "when", "stage", "outcome"), tuple(rows)))


def _summary(run: Run) -> dict[str, object]:
    return {
        "run": run.name,
        "finished": run.finished.isoformat(timespec="seconds"),
        "stage": run.stage,
        "outcome": run.outcome,
        "metrics": dict(run.metrics),
    }


def show(run: str, *, as_json: bool) -> None:
    """Show what each stage of a run made, from the data to the traffic."""
    from mlops.reports.tables import Table, show, terminal
    from mlops.runs import find, made

    found = find(run)
    if as_json:
        print(found.records[found.stage].model_dump_json(indent=2))
        return
    rows = tuple((stage, made(record), record.digest[:12]) for stage, record in found.records.items())
    show(terminal(), Table(f"Run {run}: {found.outcome}", ("stage", "made", "digest"), rows))


def compare(first: str, second: str, *, as_json: bool) -> None:
    """Show in which parameters and metrics two runs differ."""
    import json

    from mlops.reports.tables import Table, show, terminal
    from mlops.runs import find

    one, other = find(first), find(second)
    rows = [
        (kind, name, before.get(name), after.get(name))
        for kind, before, after in (
            ("parameter", one.parameters, other.parameters),
            ("metric", one.metrics, other.metrics),
        )
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    rows += [("outcome", "", one.outcome, other.outcome)]
    if as_json:
        print(json.dumps([dict(zip(("kind", "name", "first", "second"), row, strict=True)) for row in rows], indent=2))
        return
    cells = tuple((kind, name, _cell(before), _cell(after)) for kind, name, before, after in rows)
    show(terminal(), Table(f"{first} and {second}", ("", "", first, second), cells))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def resume(run: str, environment: str) -> None:
    """Go on with a release where it stopped: what a stage did before is found, not done again."""
    command = [sys.executable, "-m", "pipelines.release", "--environment", environment, "--run", run]
    os.execv(sys.executable, command)  # noqa: S606 - our own program
