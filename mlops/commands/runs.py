"""Look at the runs of this folder, compare them, go on with one: list, show, compare, resume."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from mlops.commands.parsers import Commands, add_command, add_json, add_noun

if TYPE_CHECKING:
    from mlops.runs import Run


def add(commands: Commands) -> None:
    """Add `runs` and its own commands to the command line."""
    verbs = add_noun(commands, "runs", __doc__, "mlops runs show nightly")
    listed = add_command(verbs, list_all, "mlops runs list --json", name="list")
    add_json(listed)
    shown = add_command(verbs, show, "mlops runs show nightly")
    shown.add_argument("run", metavar="RUN")
    add_json(shown, "print the last record, which holds all")
    compared = add_command(verbs, compare, "mlops runs compare nightly mine")
    compared.add_argument("first", metavar="RUN")
    compared.add_argument("second", metavar="RUN")
    add_json(compared)
    resumed = add_command(verbs, resume, "mlops runs resume nightly")
    resumed.add_argument("run", metavar="RUN")


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
    """Show in which settings, data, parameters and metrics two runs differ."""
    import json

    from mlops.reports.tables import Table, show, terminal
    from mlops.runs import find, settings

    one, other = find(first), find(second)
    rows = [
        (kind, name, before.get(name), after.get(name))
        for kind, before, after in (
            ("setting", settings(one), settings(other)),
            ("fact", one.facts, other.facts),
            ("parameter", one.parameters, other.parameters),
            ("metric", one.metrics, other.metrics),
        )
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    rows += [("outcome", "", one.outcome, other.outcome)]
    if as_json:
        print(json.dumps([dict(zip(("kind", "name", "first", "second"), row, strict=True)) for row in rows], indent=2))
        return
    cells = tuple((kind, name, _cell(before), _cell(after)) for kind, name, before, after in rows)
    show(terminal(), Table(f"{first} and {second}", ("", "", first, second), cells))


def _cell(value: object) -> str:
    from mlops.reports.figures import figure

    if value is None:
        return "-"
    return figure(value) if isinstance(value, float) else str(value)


def resume(run: str) -> None:
    """Go on with a release where it stopped, in its environment and with the MLOPS_ variables it was begun with."""
    from mlops import releases

    release = releases.find(run)
    variables = release.again(os.environ, done=_done(run))
    told = "".join(f"\n  {name}={shlex.quote(value)}" for name, value in variables.items())
    print(f"run {run} goes on in {release.environment}{', with' if told else ''}{told}", flush=True)
    arguments = ["--environment", release.environment, "--run", run, "--resume"]
    command = [sys.executable, "-m", "pipelines.release", *arguments]
    os.execve(sys.executable, command, os.environ | variables)  # noqa: S606 - our own program


def _done(run: str) -> set[str]:
    """Return the stages of a release that are done; raise InputError if all are."""
    from mlops import releases
    from mlops.errors import InputError
    from mlops.records import STAGES
    from mlops.runs import find

    done = releases.done(run)
    if done == set(STAGES):
        raise InputError(f"run {run} has ended: {find(run).outcome}; there is nothing to go on with")
    return done
