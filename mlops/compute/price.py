"""What an hour of a size costs, and where that is known from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlops.compute import sizes
from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Tier = Literal["dedicated", "low_priority"]


class BudgetSettings(BaseModel):
    """What one training job may cost at most, and prices of one's own by size, in USD per hour and node."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_usd: float = Field(gt=0)
    prices: dict[str, float] = {}


@dataclass(frozen=True)
class Price:
    """USD per hour of one node, and where and of when the figure is."""

    usd: float
    source: str
    date: str

    def __str__(self) -> str:
        """Say the price with its source and date."""
        return f"{self.usd:.3f} USD/h ({self.source}, {self.date})"


def agreed(size: str, budget: BudgetSettings) -> Price | None:
    """Return the price that the settings name for a size, or None."""
    own = {name.lower(): usd for name, usd in budget.prices.items()}
    return Price(own[size.lower()], "budget.prices", "as set") if size.lower() in own else None


def listed(size: str, tier: Tier) -> Price:
    """Return the price of the table that comes with this program.

    Raises InputError if the table has none for the size and tier.
    """
    entry, where = sizes.find(size) or {}, sizes.table()["prices"]
    if tier not in entry:
        raise InputError(f"no price is known for {size} ({tier}): set budget.prices.{size} to USD per hour")
    return Price(entry[tier], where["source"], where["date"])


def retail(items: Sequence[dict[str, Any]], tier: Tier) -> Price | None:
    """Return the price among the items that the Retail Prices API has for a size in a region, or None.

    https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices. Windows and, for a dedicated
    node, spot and low-priority meters are other offers; Azure ML bills its low-priority nodes as low priority, which
    newer sizes list as spot.
    """
    wanted = ("low priority", "spot") if tier == "low_priority" else ("",)
    for kind in wanted:
        for item in items:
            if item["type"] == "Consumption" and "Windows" not in item["productName"] and _kind(item) == kind:
                return Price(item["retailPrice"], "Azure Retail Prices API", str(item["effectiveStartDate"])[:10])
    return None


def _kind(item: dict[str, Any]) -> str:
    return next((kind for kind in ("low priority", "spot") if kind in item["meterName"].lower()), "")
