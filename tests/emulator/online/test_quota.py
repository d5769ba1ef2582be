"""What a subscription may have in one region, counted in the store: no endpoint or deployment is made for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mlops.emulator.context import STORE
from mlops.emulator.faults.injection import FAULTS, Faults
from mlops.emulator.online import quota
from mlops.emulator.online.provisioning import SECRETS
from mlops.emulator.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def deployment(endpoint: str, number: int) -> dict[str, Any]:
    """Return a deployment of a size that no quota counts."""
    return {
        "id": f"{endpoint}/deployments/d{number}",
        "properties": {"instanceType": "Standard_DS3_v2"},
        "sku": {"capacity": 0},
    }


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with 99 endpoints, of which 24 have 20 deployments and one has 19."""
    made = Store(tmp_path / "state.db")
    for number in range(99):
        endpoint = f"/endpoints/e{number}"
        made.put(f"{SECRETS}/e{number}", {"id": endpoint})
        for each in range(20 if number < 24 else 19 if number == 24 else 0):
            document = deployment(endpoint, each)
            made.put(document["id"], document)
    return made


def test_a_region_has_at_most_100_endpoints(store: Store) -> None:
    """The hundredth is had, the one after it is not."""
    assert quota.endpoint_refusal(store) is None
    store.put(f"{SECRETS}/e99", {"id": "/endpoints/e99"})
    assert "limit of 100 endpoints" in str(quota.endpoint_refusal(store))


def test_a_region_has_at_most_500_deployments(store: Store) -> None:
    """The five hundredth is had and may be written again, the one after it is not had."""
    app: Any = {STORE: store, FAULTS: Faults()}
    last, beyond = deployment("/endpoints/e24", 19), deployment("/endpoints/e25", 0)
    assert quota.refusal(app, last) is None
    store.put(last["id"], last)
    assert quota.refusal(app, last) is None
    assert "limit of 500 deployments" in str(quota.refusal(app, beyond))
