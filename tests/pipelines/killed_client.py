"""Run finetune again and again: each time the client is killed at another point, and the last one lives.

python killed_client.py SPEC RUN: every attempt is a process of its own, forked from one that has imported everything.
"""

import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

from azure.ai.ml.operations import JobOperations

from mlops import planning, stage
from mlops.settings import load
from mlops.workspace import pending, runs
from mlops.workspace.client import connect
from pipelines.finetune import finetune


def die(*_: object, **__: object) -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def answered_then_die(self: object, *args: object, **kwargs: object) -> None:
    """Submit the job, and die with the answer in hand."""
    create_or_update(self, *args, **kwargs)
    die()


create_or_update = JobOperations.create_or_update
POINTS = {
    "before the request": mock.patch.object(JobOperations, "create_or_update", die),
    "with the answer": mock.patch.object(JobOperations, "create_or_update", answered_then_die),
    "while it follows": mock.patch.object(runs, "curves", die),
    "before the record": mock.patch.object(stage, "_keep", die),
    "never": nullcontext(),
}


def attempt(point: str) -> int:
    """Run the stage in a child that dies at a point; return what it ended with, a signal as a negative number."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        with POINTS[point]:
            stage.main(finetune)
    except SystemExit as end:
        os._exit(int(end.code or 0))
    os._exit(0)


def say_who_waits() -> None:
    """Print, in a process of its own, what the run's job says about how to go on with it."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    found = pending.find(connect(load("dev").workspace), "dev")
    print("waits", *(each.inputs for each in found if each.inputs["run"] == run), flush=True)
    os._exit(0)


planning.SPEC = Path(sys.argv[1])
run = sys.argv[2]
sys.argv = ["finetune", "--environment", "dev", "--run", run]
for name in POINTS:
    print(name, attempt(name), flush=True)
    say_who_waits()
