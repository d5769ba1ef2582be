"""The plan of a rollout: what cannot come to an end is refused where it is said."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.errors import SettingsError
from mlops.settings import load

WORKSPACE = {f"MLOPS_WORKSPACE__{key}": "x" for key in ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "NAME")}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("STEPS", "[10, 50]", "the weights must increase and end with 100"),
        ("STEPS", "[0, 100]", "greater than or equal to 1"),
        ("MIRROR", "51", "less than or equal to 50"),
        ("BAKE_S", "5000", "bake_s (5000) must be at most bake_max_s (1800)"),
        ("DEADLINE_S", "1000", "deadline_s (1000) must exceed the sum of all bakes (1500)"),
        ("MAX_LATENCY_RATIO", "1", "greater than 1"),
        ("ON_INCONCLUSIVE", "hope", "'pause' or 'roll_back'"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(name: str, value: Any, told: str) -> None:
    """Which setting, what was said, which rule."""
    with pytest.raises(SettingsError) as refused:
        load("prod", variables=WORKSPACE | {f"MLOPS_ROLLOUT__{name}": value})
    assert told in str(refused.value)
