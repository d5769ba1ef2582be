"""Clusters and instances are made, read and deleted as on Azure, which refuses what it cannot have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import (
    AmlCompute,
    AmlComputeSshSettings,
    ComputeInstance,
    IdentityConfiguration,
    KubernetesCompute,
    ManagedIdentityConfiguration,
)
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.ai.ml import MLClient

_ENVIRONMENT = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"


def _create(ml: MLClient, **settings: Any) -> AmlCompute:
    return ml.compute.begin_create_or_update(AmlCompute(**settings)).result()


def _nodes(ml: MLClient, name: str, field: str) -> list[str]:
    # azure-ai-ml 1.35.2 keeps the service's own names here, so that its attributes stay None.
    return [vars(node)[field] for node in ml.compute.list_nodes(name)]


@pytest.fixture
def instance(ml: MLClient, unique: str) -> Iterator[str]:
    """Return the name of a compute instance."""
    ml.compute.begin_create_or_update(ComputeInstance(name=unique, size="Standard_DS3_v2")).result()
    yield unique
    ml.compute.begin_delete(unique).result()


def test_a_cluster_is_read_back_as_it_was_made(ml: MLClient, unique: str) -> None:
    """Size, nodes and idle time come back; the size in capitals, as the service answers it."""
    _create(
        ml,
        name=unique,
        size="standard_nc24ads_a100_v4",
        max_instances=2,
        idle_time_before_scale_down=300,
        tags={"team": "a"},
        ssh_settings=AmlComputeSshSettings(admin_username="me", admin_password="s3cret"),  # noqa: S106 - an example
    )
    cluster = ml.compute.get(unique)
    assert cluster.size == "STANDARD_NC24ADS_A100_V4"
    assert (cluster.min_instances, cluster.max_instances) == (0, 2)
    assert cluster.idle_time_before_scale_down == 300
    assert (cluster.provisioning_state, cluster.tags) == ("Succeeded", {"team": "a"})
    assert (cluster.ssh_settings.admin_username, cluster.ssh_settings.admin_password) == ("me", None)
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
        ({"size": "Standard_ND96asr_v4", "min_instances": 3}, "vCPU quota of 200 and is less than"),
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


@pytest.mark.parametrize("name", ["1starts-with-a-digit", "under_score", "x", "ends-", "a" * 33])
def test_names_follow_azures_rule(ml: MLClient, name: str) -> None:
    """2 to 32 letters, digits and dashes, a letter first and no dash last."""
    with pytest.raises(HttpResponseError, match="is invalid"):
        _create(ml, name=name, size="Standard_DS3_v2")


def test_a_cluster_can_grow_but_keeps_its_size(ml: MLClient, unique: str) -> None:
    """The number of nodes may change, machine size and tier may not."""
    born = _create(ml, name=unique, size="Standard_DS3_v2", max_instances=1).created_on
    grown = ml.compute.begin_update(AmlCompute(name=unique, size="Standard_DS3_v2", max_instances=5)).result()
    assert (grown.max_instances, grown.created_on) == (5, born)
    with pytest.raises(HttpResponseError, match=r"vmSize of compute .* cannot be changed"):
        _create(ml, name=unique, size="Standard_DS12_v2")
    with pytest.raises(HttpResponseError, match=r"vmPriority of compute .* cannot be changed"):
        _create(ml, name=unique, size="Standard_DS3_v2", tier="low_priority")


def test_nodes_that_are_kept_count_as_used(ml: MLClient, unique: str) -> None:
    """Idle nodes are listed and take quota until the cluster goes."""

    def used() -> int:
        usages = [vars(usage) for usage in ml.compute.list_usage() if usage.name["value"] == "standardESv3Family"]
        value: int = next(usage["currentValue"] for usage in usages if "/dedicatedCores/" in usage["type"])
        return value

    before = used()
    _create(ml, name=unique, size="Standard_E4s_v3", min_instances=2, max_instances=3)
    assert _nodes(ml, unique, "nodeState") == ["idle", "idle"]
    assert used() == before + 8
    ml.compute.begin_delete(unique).result()
    assert used() == before


def test_a_cluster_without_quota_fails(ml: MLClient, unique: str) -> None:
    """What others hold is not there: the operation fails, and the cluster says why; a smaller one succeeds."""
    first, second = f"{unique}-a", f"{unique}-b"
    _create(ml, name=first, size="Standard_NC64as_T4_v3", min_instances=2)
    with pytest.raises(HttpResponseError, match="Maximum allowed: 200, Current in use: 128, Additional requested: 128"):
        _create(ml, name=second, size="Standard_NC64as_T4_v3", min_instances=2)
    failed = ml.compute.get(second)
    assert (failed.provisioning_state, failed.provisioning_errors) == ("Failed", "ClusterCoreQuotaReached")
    assert _create(ml, name=second, size="Standard_NC64as_T4_v3", min_instances=1).provisioning_state == "Succeeded"
    for name in (first, second):
        ml.compute.begin_delete(name).result()


def test_identities_have_their_ids(ml: MLClient, unique: str) -> None:
    """A cluster's own identity and those of users are told apart."""
    system = _create(
        ml, name=unique, size="Standard_DS3_v2", identity=IdentityConfiguration(type="system_assigned")
    ).identity
    assert system.type == "system_assigned"
    assert system.principal_id
    user = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me"
    wanted = IdentityConfiguration(
        type="user_assigned", user_assigned_identities=[ManagedIdentityConfiguration(resource_id=user)]
    )
    identity = _create(ml, name=unique, size="Standard_DS3_v2", identity=wanted).identity
    assert [each.resource_id for each in identity.user_assigned_identities] == [user]


def test_a_deleted_cluster_is_gone(ml: MLClient, unique: str) -> None:
    """Deletion is an operation one waits for; afterwards the name is free."""
    _create(ml, name=unique, size="Standard_DS3_v2")
    ml.compute.begin_delete(unique).result()
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get(unique)


def test_a_cluster_that_works_is_not_deleted(ml: MLClient, unique: str) -> None:
    """Its node shows the job; when the job is canceled the cluster can go."""
    _create(ml, name=unique, size="Standard_DS3_v2", max_instances=1)
    job = ml.jobs.create_or_update(command(command="sleep 600", environment=_ENVIRONMENT, compute=unique))
    assert _nodes(ml, unique, "runId") == [job.name]
    with pytest.raises(ResourceExistsError, match=f"in use by job {job.name}"):
        ml.compute.begin_delete(unique).result()
    ml.jobs.begin_cancel(job.name).result()
    ml.compute.begin_delete(unique).result()


def test_an_instance_stops_and_starts(ml: MLClient, instance: str) -> None:
    """Its state and its last operation follow; a stopped one takes no quota."""
    assert ml.compute.get(instance).state == "Running"
    for action, state in (("stop", "Stopped"), ("start", "Running"), ("restart", "Running")):
        getattr(ml.compute, f"begin_{action}")(instance).result()
        compute = ml.compute.get(instance)
        assert compute.state == state
        assert compute.last_operation["operationName"] == action.capitalize()
    ml.compute.enable_sso(name=instance, enable_sso=False)
    assert ml.compute.get(instance).enable_sso is False


def test_only_instances_stop(ml: MLClient, instance: str, unique: str) -> None:
    """A cluster cannot be stopped, an instance has no nodes, and neither becomes the other."""
    cluster = f"{unique}-c"
    _create(ml, name=cluster, size="Standard_DS3_v2")
    with pytest.raises(HttpResponseError, match="is no compute instance"):
        ml.compute.begin_stop(cluster)
    with pytest.raises(HttpResponseError, match="has no nodes"):
        list(ml.compute.list_nodes(instance))
    with pytest.raises(HttpResponseError, match="is of type ComputeInstance"):
        _create(ml, name=instance, size="Standard_DS3_v2")
    ml.compute.begin_delete(cluster).result()


def test_other_kinds_are_unknown(ml: MLClient, unique: str) -> None:
    """The emulator says what it does not have."""
    attached = KubernetesCompute(name=unique, resource_id="/subscriptions/s/x", namespace="default")
    with pytest.raises(HttpResponseError, match="AmlCompute and ComputeInstance only"):
        ml.compute.begin_attach(attached).result()
