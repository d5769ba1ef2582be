"""`mlops comment`: keep the one comment under a pull request up to date."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlops.commands.parsers import Commands, add_command
from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.reports.pull_request import Trial

JOBS: Final = "JOBS"
"""The variable with GitHub's `needs`: a mapping of jobs, each with its result."""
ASIDE: Final = frozenset({"changes", "announce", "checked", "finetuned"})
"""Jobs that only look what changed or write the comment: nobody waits for them."""
TRIALS: Final = {"emulator": "On the emulator", "azure": "On Azure"}
"""Folders under runs/ that hold a run's records, and where the run was made."""


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, comment, "mlops comment 42")
    parser.add_argument("pull_request", metavar="NUMBER", type=_number, help="of the pull request")


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a pull request")
    return int(text)


def comment(pull_request: int) -> None:
    """Write what the jobs of $JOBS and the records in runs/ say under a pull request, over what stood there."""
    from mlops.github import gh
    from mlops.reports.pull_request import body
    from mlops.reports.tables import note

    text = body(_jobs(), tuple(_trials()), link=_link())
    note(text)
    path = Path("runs", "comment.md")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    command = ("pr", "comment", str(pull_request), "--edit-last", "--create-if-none", "--body-file", str(path))
    print(gh(*command, aim=f"comment on pull request {pull_request}", needs="pull-requests"))


def _jobs() -> dict[str, str]:
    """Return each job's result; a job that is not in GitHub's list of the finished ones still runs."""
    try:
        needs = json.loads(os.environ.get(JOBS) or "{}")
        return {job: str(about["result"]) for job, about in needs.items() if job not in ASIDE}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"${JOBS} must be what GitHub's `toJSON(needs)` gives: {error}") from None


def _link() -> str:
    parts = [os.environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts)


def _trials() -> Iterator[Trial]:
    from mlops.records import STAGES
    from mlops.reports.pull_request import Trial
    from mlops.stage import load

    for name, where in TRIALS.items():
        folder = Path("runs", name)
        report = folder / "decision.md"
        if left := [stage for stage in STAGES if (folder / f"{stage}.json").is_file()]:
            text = report.read_text(encoding="utf-8") if report.is_file() else ""
            yield Trial(where, load(folder, left[-1]), text, lasts=name != "emulator")
