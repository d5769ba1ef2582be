"""The quota of a deployment beside the one that serves, and its time to start."""

from __future__ import annotations

import pytest

from mlops.compute.quota import Quota
from mlops.compute.serving import Offer, check_offered, check_quota, startup_s
from mlops.errors import InputError

T4 = Offer("Standard_NC4as_T4_v3", 4, "NCASv3_T4", Quota("NCASv3_T4", used=0, limit=16))
A100 = Offer("Standard_NC24ads_A100_v4", 24, "NCADSA100v4", Quota("NCADSA100v4", used=24, limit=48))


@pytest.mark.parametrize(
    ("offer", "instances", "told"),
    [
        (T4, 1, "ceil(1.2 x 1) = 2 x 4 vCPUs = 8 of NCASv3_T4, 16 of 16 vCPUs are left"),
        (T4, 3, "ceil(1.2 x 3) = 4 x 4 vCPUs = 16 of NCASv3_T4, 16 of 16 vCPUs are left"),
        (A100, 1, "1 x 24 vCPUs = 24 of NCADSA100v4, 24 of 48 vCPUs are left"),
        (
            Offer("Standard_X", 4, "X", None),
            1,
            "ceil(1.2 x 1) = 2 x 4 vCPUs = 8 of X, whose quota Azure does not tell",
        ),
        (
            Offer("Standard_X", 4, "X", Quota("X", used=0, limit=None)),
            1,
            "ceil(1.2 x 1) = 2 x 4 vCPUs = 8 of X, unlimited vCPUs are left",
        ),
    ],
)
def test_a_fifth_is_reserved_but_for_the_sizes_that_are_exempt(offer: Offer, instances: int, told: str) -> None:
    """One machine needs two on most sizes, one on A100 and H100."""
    assert check_quota(offer, num_instances=instances, num_deployments=1) == told


@pytest.mark.parametrize(("offer", "instances"), [(T4, 4), (A100, 2)])
def test_what_does_not_fit_is_refused_with_the_arithmetic(offer: Offer, instances: int) -> None:
    """What is needed, what is left, what to do."""
    with pytest.raises(InputError, match=r"not enough quota for .* vCPUs = .* are left. Ask Azure"):
        check_quota(offer, num_instances=instances, num_deployments=1)


def test_an_endpoint_has_twenty_deployments_at_most() -> None:
    """The one that is about to be made counts."""
    assert check_quota(T4, num_instances=1, num_deployments=19)
    with pytest.raises(InputError, match="20 deployments, Azure allows 20"):
        check_quota(T4, num_instances=1, num_deployments=20)


@pytest.mark.parametrize(
    ("size", "offered", "told"),
    [("Standard_NC6s_v3", True, "was retired by Azure"), ("Standard_NC7", False, "is not offered in this region")],
)
def test_sizes_that_cannot_be_had_are_refused(size: str, offered: bool, told: str) -> None:
    """Retired ones are named as such, whatever the region's list says."""
    with pytest.raises(InputError, match=told):
        check_offered(size, offered)
    check_offered("Standard_NC24ads_A100_v4", offered=True)


@pytest.mark.parametrize(("num_parameters", "seconds"), [(0, 600), (3.8e9, 676), (14.7e9, 894), (176e9, 4120)])
def test_larger_models_have_longer_to_start(num_parameters: float, seconds: int) -> None:
    """Ten seconds for each gigabyte of weights, by hand; BLOOM's sample counts on 1200 s in all."""
    assert startup_s(600, num_parameters) == seconds
