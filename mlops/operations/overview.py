"""What operators see of an environment beside its endpoint: runs, jobs, models, and what all that costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mlops.compute import price
from mlops.errors import InputError
from mlops.reports.tables import Table
from mlops.runs import find_all
from mlops.workspace import history, serving

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops.compute.price import BudgetSettings
    from mlops.operations.site import Site
    from mlops.runs import Run
    from mlops.workspace.history import Job
    from mlops.workspace.serving import ModelVersion, ServingEndpoint

MOST: Final = 5
"""Runs, jobs and models that are shown: the youngest."""
HOURS: Final = 24


@dataclass(frozen=True)
class Bill:
    """What the deployments of an environment cost in a day; those of a size without a price are only counted."""

    usd_a_day: float
    num_unknown: int


@dataclass(frozen=True)
class Overview:
    """The youngest runs, jobs and models, youngest first; `usd` is what fine-tuning cost this month."""

    runs: tuple[Run, ...]
    jobs: tuple[Job, ...]
    models: tuple[ModelVersion, ...]
    usd: float
    bill: Bill

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return it for people; what there is none of is left out."""
        runs = tuple((each.name, each.stage, each.outcome, _day(each.finished)) for each in self.runs)
        jobs = tuple((each.display_name, each.status, _day(each.created), _cost(each.usd)) for each in self.jobs)
        models = tuple((f"{each.name}:{each.version}", _stage(each), _day(each.created)) for each in self.models)
        found = (
            Table("Runs in this folder", ("run", "stage", "outcome", "finished"), runs),
            Table("Jobs", ("job", "status", "created", "USD"), jobs),
            Table("Models", ("model", "stage", "created"), models),
        )
        return tuple(table for table in found if table.rows)

    @property
    def cost(self) -> str:
        """Return in a line what was spent, and what is being spent."""
        told = f"fine-tuning this month: {self.usd:.2f} USD; deployments: {self.bill.usd_a_day:.2f} USD a day"
        return told + (f", and {self.bill.num_unknown} of unknown price" if self.bill.num_unknown else "")

    @property
    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "runs": [{"name": each.name, "stage": each.stage, "outcome": each.outcome} for each in self.runs],
            "jobs": [{"name": each.name, "status": each.status, "usd": each.usd} for each in self.jobs],
            "models": [{"name": each.name, "version": each.version, "stage": _stage(each)} for each in self.models],
            "usd_this_month": round(self.usd, 4),
            "deployments_usd_a_day": round(self.bill.usd_a_day, 4),
            "deployments_of_unknown_price": self.bill.num_unknown,
        }


def overview(site: Site) -> Overview:
    """Return what there is; a month begins at midnight UTC."""
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    models = serving.model_versions(site.workspace, site.settings.register_.name)
    return Overview(
        runs=tuple(find_all()[:MOST]),
        jobs=tuple(history.jobs(site.workspace, most=MOST)),
        models=tuple(models[:MOST]),
        usd=sum(job.usd or 0.0 for job in history.jobs_since(site.workspace, month)),
        bill=bill(serving.serving_endpoints(site.workspace), site.settings.budget),
    )


def bill(endpoints: Iterable[ServingEndpoint], budget: BudgetSettings) -> Bill:
    """Return what all deployments cost in a day, pure: paid by the instance, with traffic or without."""
    there = [each for endpoint in endpoints for each in endpoint.deployments]
    usd = [_usd_per_hour(each.instance_type, budget) for each in there]
    known = [HOURS * each.instance_count * one for each, one in zip(there, usd, strict=True) if one is not None]
    return Bill(sum(known), usd.count(None))


def _usd_per_hour(size: str, budget: BudgetSettings) -> float | None:
    try:
        return (price.agreed(size, budget) or price.listed(size, "dedicated")).usd
    except InputError:
        return None


def _stage(model: ModelVersion) -> str:
    return model.tags.get("stage", "")


def _day(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if when else ""


def _cost(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.2f}"
