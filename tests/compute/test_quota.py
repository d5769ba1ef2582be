"""Whether there are vCPUs for a cluster."""

from __future__ import annotations

import pytest

from mlops.compute.quota import Quota
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
