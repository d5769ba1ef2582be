"""The machine sizes and the quota of the region, as the SDK reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def test_sizes_count_gpus_and_leave_out_the_retired(ml: MLClient) -> None:
    """The sizes tell their GPUs; NC6s_v3, retired in 2025, is not among them."""
    gpus = {size.name: size.gpus for size in ml.compute.list_sizes()}
    assert gpus["Standard_NC24ads_A100_v4"] == 1
    assert gpus["Standard_ND96amsr_A100_v4"] == 8
    assert gpus["Standard_DS3_v2"] == 0
    assert "Standard_NC6s_v3" not in gpus


def test_quota_is_given_by_family(ml: MLClient) -> None:
    """Each family has two rows of one name: dedicated vCPUs with a limit, low-priority ones with none but the total."""
    limits = {(usage.name["value"], usage.type.split("/", 1)[1]): usage.limit for usage in ml.compute.list_usage()}
    families = {size.family for size in ml.compute.list_sizes()}
    dedicated = [limits[family, "vmFamily/dedicatedCores/usages"] for family in families]
    assert limits["TotalDedicatedCores", "dedicatedCores/usages"] >= max(dedicated) > 0
    assert {limits[family, "vmFamily/lowPriorityCores/usages"] for family in families} == {-1}
    assert limits["TotalLowPriorityCores", "lowPriorityCores/usages"] > 0
