"""The workspace, the machine sizes and the quota, as the SDK reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def test_any_workspace_exists(ml: MLClient) -> None:
    """Programs keep their own names: whichever workspace is asked for is there."""
    workspace = ml.workspaces.get("somebody-elses")
    assert workspace.name == "somebody-elses"
    assert workspace.location == "local"
    assert workspace.mlflow_tracking_uri.startswith("http://127.0.0.1:")
    assert workspace.discovery_url.startswith("https://127.0.0.1:")


def test_one_workspace_is_listed(ml: MLClient) -> None:
    """A list of workspaces names the one of `env`."""
    assert [workspace.name for workspace in ml.workspaces.list()] == ["local"]


def test_sizes_count_gpus_and_leave_out_the_retired(ml: MLClient) -> None:
    """The sizes tell their GPUs; NC6s_v3, retired in 2025, is not among them."""
    gpus = {size.name: size.gpus for size in ml.compute.list_sizes()}
    assert gpus["Standard_NC24ads_A100_v4"] == 1
    assert gpus["Standard_ND96amsr_A100_v4"] == 8
    assert gpus["Standard_DS3_v2"] == 0
    assert "Standard_NC6s_v3" not in gpus


def test_quota_is_given_by_family(ml: MLClient) -> None:
    """Each family of sizes has a usage with a limit in vCPUs, besides those for all dedicated ones."""
    limits = {usage.name["value"]: usage.limit for usage in ml.compute.list_usage()}
    families = {size.family for size in ml.compute.list_sizes()}
    assert families < set(limits)
    assert limits["TotalDedicatedCores"] >= max(limits[family] for family in families)
