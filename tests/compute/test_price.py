"""What an hour costs: the settings' own price, Azure's answer, the table."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.compute.price import BudgetSettings, agreed, listed, retail
from mlops.errors import InputError

A100 = "Standard_NC24ads_A100_v4"


def item(meter: str, price: float, **changes: Any) -> dict[str, Any]:
    """Return one entry of the Retail Prices API, as its documentation shows them."""
    return {
        "type": "Consumption",
        "productName": "NCads A100 v4 Series",
        "meterName": meter,
        "retailPrice": price,
        "effectiveStartDate": "2026-09-01T00:00:00Z",
    } | changes


ITEMS = [
    item("NC24ads A100 v4", 9.9, type="Reservation"),
    item("NC24ads A100 v4", 5.0, productName="NCads A100 v4 Series Windows"),
    item("NC24ads A100 v4 Spot", 0.5),
    item("NC24ads A100 v4 Low Priority", 0.7),
    item("NC24ads A100 v4", 3.7),
]


def test_the_right_offer_is_taken() -> None:
    """Linux, by the hour, and of the tier: not a reservation, Windows or spot."""
    dedicated, low = retail(ITEMS, "dedicated"), retail(ITEMS, "low_priority")
    assert dedicated is not None
    assert str(dedicated) == "3.700 USD/h (Azure Retail Prices API, 2026-09-01)"
    assert low is not None
    assert low.usd == 0.7


def test_newer_sizes_have_a_spot_price_only() -> None:
    """Where no low-priority meter is listed, spot is what it costs."""
    spot = retail([entry for entry in ITEMS if "Low" not in entry["meterName"]], "low_priority")
    assert spot is not None
    assert spot.usd == 0.5
    assert retail([], "dedicated") is None


def test_the_table_says_where_and_of_when_it_is() -> None:
    """A price without a source and a date is no price."""
    price = listed(A100.upper(), "dedicated")
    assert price.usd == 3.673
    assert str(price) == "3.673 USD/h (mlops/compute/sizes.yml, eastus, 2024)"


def test_an_unknown_price_says_how_to_give_one() -> None:
    """H100 sizes have no low-priority price in the table."""
    with pytest.raises(InputError, match=r"set budget\.prices\.Standard_NC40ads_H100_v5"):
        listed("Standard_NC40ads_H100_v5", "low_priority")


def test_a_price_of_ones_own_wins() -> None:
    """Companies have discounts."""
    price = agreed(A100, BudgetSettings(max_usd=1, prices={A100.lower(): 2.5}))
    assert price is not None
    assert price.usd == 2.5
    assert agreed(A100, BudgetSettings(max_usd=1)) is None
