"""Whether there are vCPUs for a cluster."""

from __future__ import annotations

import pytest

from mlops.compute.quota import Quota, of_family
from mlops.errors import InputError


def test_what_never_fits_is_refused_and_what_is_taken_is_warned_of() -> None:
    """Too little quota cannot be waited for; nodes in use come back."""
    quota = Quota("StandardNCADSA100v4Family", used=40, limit=48)
    assert quota.check(8, size="x") is None
    assert quota.check(24, size="x") == (
        "only 8 of 48 vCPUs of StandardNCADSA100v4Family are free: the job waits for 24"
    )
    with pytest.raises(InputError, match=r"72 vCPUs are needed, StandardNCADSA100v4Family may have 48.*Quotas"):
        quota.check(72, size="x")


PLACE = "/subscriptions/s/providers/Microsoft.MachineLearningServices/locations/eastus/usages/"
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/usages/"


def usage(name: str, type_: str, *, limit: int, place: str = PLACE) -> dict[str, object]:
    """Return a row as the service answers it."""
    type_ = f"Microsoft.MachineLearningServices/{type_}/usages"
    return {"id": place + name, "type": type_, "name": {"value": name}, "currentValue": 2, "limit": limit}


DEDICATED = usage("NC", "vmFamily/dedicatedCores", limit=24)
OTHERS = [
    usage("NC", "vmFamily/lowPriorityCores", limit=-1),
    usage("NC", "workspaces/vmFamily/dedicatedCores", limit=6, place=WORKSPACE),
]


@pytest.mark.parametrize("rows", [[DEDICATED, *OTHERS], [*OTHERS, DEDICATED]])
def test_of_rows_with_one_name_the_regions_dedicated_one_counts(rows: list[dict[str, object]]) -> None:
    """Wherever it stands among those of low-priority nodes and of workspaces; older rows do not say "dedicated"."""
    assert of_family(rows, "nc") == Quota("nc", used=2, limit=24)
    assert of_family(OTHERS, "NC") is None
    assert of_family([usage("NC", "vmFamily", limit=12)], "NC") == Quota("NC", used=2, limit=12)
    total = usage("TotalLowPriorityCores", "lowPriorityCores", limit=50)
    assert of_family([*rows, total], "TotalLowPriorityCores") == Quota("TotalLowPriorityCores", used=2, limit=50)


def test_a_negative_limit_is_none() -> None:
    """Whatever is needed may be had."""
    quota = of_family([usage("NC", "vmFamily/dedicatedCores", limit=-1)], "NC")
    assert quota == Quota("NC", used=2, limit=None)
    assert (quota.check(1000, size="x"), quota.free) == (None, "unlimited")
