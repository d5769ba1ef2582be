"""`mlops reconcile`: go on with the runs whose training has ended without a runner, detached or lost."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Final

from mlops.commands.parsers import Commands, add_command, add_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.workspace.client import Workspace
    from mlops.workspace.pending import Pending

WORKFLOW: Final = "release.yml"


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, reconcile, "mlops reconcile --environment dev")
    add_environment(parser)


def reconcile(environment: str) -> None:
    """Start the release of each run whose training has ended unseen: it attaches to the job and goes on from there."""
    from mlops import settings
    from mlops.errors import AzureError, MlopsError
    from mlops.workspace import client, pending

    workspace = client.reach(settings.load(environment).workspace)
    waiting = list(pending.find(workspace, environment))
    if not waiting:
        print(f"no run of {environment} waits for a job")
    failed = []
    for found in waiting:
        try:
            _take_up(workspace, found)
        except MlopsError as error:
            failed.append(str(error))
    if failed:
        raise AzureError("\n".join(failed))


def _take_up(workspace: Workspace, found: Pending) -> None:
    """Go on with a run if its job has ended well and nobody follows it.

    Raises AzureError if it ended badly, which is said once.
    """
    from datetime import UTC, datetime

    from mlops.errors import AzureError
    from mlops.workspace import pending

    said = f"run {found.inputs['run']}: job {found.job.name} is {found.job.status}"
    if not found.is_left(datetime.now(UTC)):
        print(f"{said}{'; left to its runner for two minutes' if found.job.is_over else ''}")
        return
    if found.job.status != "Completed":
        pending.settle(workspace, found.job.name)
        raise AzureError(f"{said}: start a new release")
    print(said)
    _release(workspace, found)


def _release(workspace: Workspace, found: Pending) -> None:
    """Let GitHub run the release, with its approvals; elsewhere say what to run.

    Raises InputError if GitHub refuses, and the run goes on waiting; or if it has no inputs for it, which is said once.
    """
    from mlops.errors import InputError
    from mlops.github import INPUTS, gh
    from mlops.workspace import pending

    run, by_hand = found.inputs["run"], f"  go on with it: {_by_hand(found.inputs)}"
    if not os.environ.get("GITHUB_ACTIONS"):
        print(by_hand)
        return
    if unknown := ", ".join(sorted(found.inputs.keys() - {"environment", "run", *INPUTS})):
        pending.settle(workspace, found.job.name)
        where = f"say `mlops runs resume {run}` where it began, or elsewhere"
        raise InputError(f"run {run}: {WORKFLOW} has no input for {unknown}: {where}\n{by_hand}")
    fields = [word for name, value in found.inputs.items() for word in ("--raw-field", f"{name}={value}")]
    gh("workflow", "run", WORKFLOW, *fields, aim=f"start {WORKFLOW} for run {run}", needs="actions")
    pending.settle(workspace, found.job.name)
    print(f"  {WORKFLOW} goes on with it")


def _by_hand(inputs: Mapping[str, str]) -> str:
    """Return what to run elsewhere than on GitHub, with the settings that the release had as variables."""
    from mlops.github import INPUTS
    from mlops.layers import variable

    said = {name: value for name, value in inputs.items() if name not in {"environment", "run"}}
    if "override" in said:
        said["override"] = json.dumps(said["override"], ensure_ascii=False)  # a variable is YAML, an input is not
    values = (f"{variable(INPUTS.get(name, name))}={shlex.quote(value)} " for name, value in said.items())
    return f"{''.join(values)}nox -s release -- --environment {inputs['environment']} --run {inputs['run']}"
