"""What operators see of an environment beside its endpoint: jobs, what they cost this month, and models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from mlops.reports.tables import Table
from mlops.workspace import history, serving

if TYPE_CHECKING:
    from mlops.operations.site import Site
    from mlops.workspace.history import Job
    from mlops.workspace.serving import ModelVersion

MOST: Final = 5
"""Jobs and models that are shown: the youngest."""


@dataclass(frozen=True)
class Overview:
    """The youngest jobs and models of an environment, youngest first; `usd` is what fine-tuning cost this month."""

    jobs: tuple[Job, ...]
    models: tuple[ModelVersion, ...]
    usd: float

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return it for people; what there is none of is left out."""
        jobs = tuple((each.display_name, each.status, _day(each.created), _cost(each.usd)) for each in self.jobs)
        models = tuple((f"{each.name}:{each.version}", _stage(each), _day(each.created)) for each in self.models)
        found = (
            Table("Jobs", ("job", "status", "created", "USD"), jobs),
            Table("Models", ("model", "stage", "created"), models),
        )
        return tuple(table for table in found if table.rows)

    @property
    def cost(self) -> str:
        """Return in a line what was spent."""
        return f"fine-tuning this month: {self.usd:.2f} USD"

    @property
    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "jobs": [{"name": each.name, "status": each.status, "usd": each.usd} for each in self.jobs],
            "models": [{"name": each.name, "version": each.version, "stage": _stage(each)} for each in self.models],
            "usd_this_month": round(self.usd, 4),
        }


def overview(site: Site) -> Overview:
    """Return what there is; a month begins at midnight UTC."""
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    models = serving.model_versions(site.workspace, site.settings.register_.name)
    return Overview(
        jobs=tuple(history.jobs(site.workspace, most=MOST)),
        models=tuple(models[:MOST]),
        usd=sum(job.usd or 0.0 for job in history.jobs_since(site.workspace, month)),
    )


def _stage(model: ModelVersion) -> str:
    return model.tags.get("stage", "")


def _day(when: datetime | None) -> str:
    return f"{when:%Y-%m-%d %H:%M}" if when else ""


def _cost(usd: float | None) -> str:
    return "" if usd is None else f"{usd:.2f}"
