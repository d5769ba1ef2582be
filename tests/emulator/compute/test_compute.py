"""Clusters are made, read and deleted as on Azure, which refuses what it cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


def _create(ml: MLClient, **settings: Any) -> AmlCompute:
    return ml.compute.begin_create_or_update(AmlCompute(**settings)).result()


def test_a_cluster_is_read_back_as_it_was_made(ml: MLClient, unique: str) -> None:
    """Size, nodes and idle time come back; the size in capitals, as the service answers it."""
    _create(ml, name=unique, size="standard_nc24ads_a100_v4", max_instances=2, idle_time_before_scale_down=300)
    cluster = ml.compute.get(unique)
    assert cluster.size == "STANDARD_NC24ADS_A100_V4"
    assert (cluster.min_instances, cluster.max_instances) == (0, 2)
    assert cluster.idle_time_before_scale_down == 300
    assert cluster.provisioning_state == "Succeeded"
    assert unique in [compute.name for compute in ml.compute.list()]


@pytest.mark.parametrize(
    ("given", "tier"), [(None, "dedicated"), ("LowPriority", "low_priority"), ("low_priority", "low_priority")]
)
def test_tiers_are_read_however_they_are_spelled(ml: MLClient, unique: str, given: str | None, tier: str) -> None:
    """The SDK sends several spellings of a tier; the service knows two tiers."""
    assert _create(ml, name=unique, size="Standard_DS3_v2", tier=given).tier == tier


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"size": "Standard_NC6s_v3"}, "was retired on 2025-09-30"),
        ({"size": "Standard_Unknown"}, "is not supported in region"),
        ({"size": "Standard_DS3_v2", "min_instances": 3, "max_instances": 2}, "at most maxNodeCount 2"),
        ({"size": "Standard_ND96asr_v4", "min_instances": 3}, "exceeding quota limits"),
        ({"size": "Standard_DS3_v2", "tier": "spot"}, "neither Dedicated nor LowPriority"),
    ],
)
def test_impossible_clusters_are_refused(ml: MLClient, unique: str, settings: dict[str, Any], reason: str) -> None:
    """What Azure cannot provide is a 400 that says why, and nothing is made."""
    with pytest.raises(HttpResponseError, match=reason) as refusal:
        _create(ml, name=unique, **settings)
    assert refusal.value.status_code == 400
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get(unique)


def test_a_cluster_can_grow_but_keeps_its_size(ml: MLClient, unique: str) -> None:
    """The number of nodes may change, the machine size may not."""
    born = _create(ml, name=unique, size="Standard_DS3_v2", max_instances=1).created_on
    grown = _create(ml, name=unique, size="Standard_DS3_v2", max_instances=5)
    assert (grown.max_instances, grown.created_on) == (5, born)
    with pytest.raises(HttpResponseError, match="cannot be changed"):
        _create(ml, name=unique, size="Standard_DS12_v2")


def test_a_deleted_cluster_is_gone(ml: MLClient, unique: str) -> None:
    """Deletion is an operation one waits for; afterwards the name is free."""
    _create(ml, name=unique, size="Standard_DS3_v2")
    ml.compute.begin_delete(unique).result()
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get(unique)
