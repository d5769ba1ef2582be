"""What operators see of an environment at a glance."""

from __future__ import annotations

from datetime import UTC, datetime

from mlops.compute.price import BudgetSettings
from mlops.operations.lineage import Lineage
from mlops.operations.overview import Bill, Overview, bill
from mlops.runs import Run
from mlops.workspace.history import Job
from mlops.workspace.serving import ModelVersion, Serving, ServingEndpoint

WHEN = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def test_the_overview_tells_what_runs_what_it_cost_and_which_model_is_the_champion() -> None:
    """A job that is not over has no cost yet; the sum is of the month, not of the jobs that are shown."""
    run = Run("nightly", {}, WHEN, damage="cut off")
    running, done = (Job(name, f"{name} it", "chat", "pipeline", name, WHEN) for name in ("Running", "Completed"))
    model = ModelVersion("chat", "7", WHEN, "", {"stage": "champion"})
    found = Overview((run,), (running, Job(**{**vars(done), "usd": 1.25})), (model,), usd=20.0, bill=Bill(88.0, 0))
    runs, jobs, models = found.tables
    assert found.cost == "fine-tuning this month: 20.00 USD; deployments: 88.00 USD a day"
    assert runs.rows == (("nightly", "", "damaged", "2026-11-22 09:30"),)
    assert [row[1:] for row in jobs.rows] == [
        ("Running", "2026-11-22 09:30", ""),
        ("Completed", "2026-11-22 09:30", "1.25"),
    ]
    assert models.rows == (("chat:7", "champion", "2026-11-22 09:30"),)
    assert found.document["usd_this_month"] == 20.0
    assert [job["usd"] for job in found.document["jobs"]] == [None, 1.25]


def test_deployments_are_paid_by_the_day_with_traffic_or_without() -> None:
    """At one's own price, else at that of the table; what has no price is counted and not taken for free."""
    sizes = {"blue": "Standard_NC24ads_A100_v4", "green": "Standard_Own", "third": "Standard_Unheard_Of"}
    deployments = tuple(Serving(name, 0, 0, "chat:1", "Succeeded", size, 2) for name, size in sizes.items())
    found = bill(
        [ServingEndpoint("chat", "Succeeded", "https://x", {}, deployments)],
        BudgetSettings(max_usd=1, prices={"Standard_Own": 0.5}),
    )
    assert found.num_unknown == 1
    assert round(found.usd_a_day) == round(2 * 24 * (3.673 + 0.5))
    assert Overview((), (), (), 0.0, found).cost.endswith(" USD a day, and 1 of unknown price")


def test_the_lineage_is_the_same_for_people_and_programs() -> None:
    """A table shortens digests, a document keeps them."""
    digest = "0123456789abcdef"
    found = Lineage("nightly", {"register": ("azureml:chat:7", digest)})
    assert found.table.rows == (("register", "azureml:chat:7", digest[:12]),)
    assert found.document["lineage"] == {
        "run": "nightly",
        "stages": {"register": {"made": "azureml:chat:7", "record": digest}},
    }
