"""When a deployment counts as warm."""

from __future__ import annotations

import pytest

from mlops.rollout.warm_up import is_steady


@pytest.mark.parametrize(
    ("seconds", "steady"),
    [
        ([1.0] * 12, True),
        ([1.0] * 11, False),
        ([9.0, 5.0, 3.0, 2.0, 1.5, 1.2, *[1.0] * 6], False),
        ([9.0, 5.0, *[1.1] * 6, *[1.0] * 6], True),
        ([*[1.0] * 6, *[1.5] * 6], False),
    ],
)
def test_it_is_steady_when_the_last_requests_took_as_long_as_those_before(
    seconds: list[float], *, steady: bool
) -> None:
    """Getting faster is not steady yet, and getting slower is not either."""
    assert is_steady(seconds) is steady
