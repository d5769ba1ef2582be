"""What operators see of an environment at a glance."""

from __future__ import annotations

from datetime import UTC, datetime

from mlops.operations.overview import Overview
from mlops.workspace.history import Job
from mlops.workspace.serving import ModelVersion

WHEN = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def test_the_overview_tells_what_runs_what_it_cost_and_which_model_is_the_champion() -> None:
    """A job that is not over has no cost yet; the sum is of the month, not of the jobs that are shown."""
    running, done = (Job(name, f"{name} it", "chat", "pipeline", name, WHEN) for name in ("Running", "Completed"))
    model = ModelVersion("chat", "7", WHEN, "", {"stage": "champion"})
    found = Overview((running, Job(**{**vars(done), "usd": 1.25})), (model,), usd=20.0)
    jobs, models = found.tables
    assert found.cost == "fine-tuning this month: 20.00 USD"
    assert [row[1:] for row in jobs.rows] == [
        ("Running", "2026-11-22 09:30", ""),
        ("Completed", "2026-11-22 09:30", "1.25"),
    ]
    assert models.rows == (("chat:7", "champion", "2026-11-22 09:30"),)
    assert found.document["usd_this_month"] == 20.0
    assert [job["usd"] for job in found.document["jobs"]] == [None, 1.25]
