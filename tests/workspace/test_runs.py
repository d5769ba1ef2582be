"""A job that is followed: which of its steps have nodes, wait and are paid for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from mlops.workspace import history, runs
from mlops.workspace.history import Job

if TYPE_CHECKING:
    from pytest_mock import MockerFixture

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def run(name: str, parent: str, status: str, *, hours: float | None = None, error: str = "") -> Job:
    """Return a step as the SDK tells of it, whatever it is; it has had its node for some hours."""
    times = {} if hours is None else {"started": BEGIN, "ended": BEGIN + timedelta(hours=hours)}
    return Job(name, name, "chat", "base", status, BEGIN, parent, error=error, **times)


def watched(mocker: MockerFixture, *steps: Job) -> runs.Snapshot:
    """Return the first snapshot of the job `all`, which has these steps, those of its steps included."""
    mocker.patch.object(history, "job", return_value=run("all", "", "Running"))
    mocker.patch.object(history, "steps", return_value=list(steps))
    return next(runs.watch(mocker.Mock(), "all"))


def test_only_steps_without_steps_are_paid_for(mocker: MockerFixture) -> None:
    """A pipeline in the pipeline lasts as long as its steps, and has no node."""
    inner = run("chat_completion", "all", "Failed", hours=3, error="a child failed")
    steps = (run("import", "chat_completion", "Completed", hours=1), run("train", "chat_completion", "Failed", hours=2))
    found = watched(mocker, inner, *steps, run("after", "all", "NotStarted"))
    assert [step.name for step in found.steps] == ["import", "train", "after"]
    assert found.hours == pytest.approx(3)


def test_a_job_waits_as_long_as_no_step_of_a_step_has_a_node(mocker: MockerFixture) -> None:
    """The pipeline around them is said to be running from the beginning."""
    inner = run("chat_completion", "all", "Running")
    assert watched(mocker, inner, run("import", "chat_completion", "Queued")).is_waiting
    assert not watched(mocker, inner, run("import", "chat_completion", "Running")).is_waiting
