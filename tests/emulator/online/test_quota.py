"""What a subscription may have in one region, and what one endpoint takes of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.identity import DefaultAzureCredential

from mlops.emulator import daemon, tls
from mlops.emulator.context import STORE, WORKSPACE
from mlops.emulator.faults.injection import FAULTS, Faults
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION
from mlops.emulator.home import WORKSPACE as NAME
from mlops.emulator.online import quota
from mlops.emulator.online.provisioning import SECRETS
from mlops.emulator.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home


def test_clients_are_held_to_the_limits(
    own_home: Path, connect: Callable[[Home], MLClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The 101st endpoint is refused; requests beyond the rate are answered 429, those beyond the bandwidth wait."""
    monkeypatch.setenv("AZUREML_EMULATOR_REQUESTS_PER_S", "3")
    monkeypatch.setenv("AZUREML_EMULATOR_BYTES_PER_S", "20000")
    home, _ = daemon.start(own_home)
    ml = connect(home)
    endpoints = (
        f"{home.url}{WORKSPACE.format(subscription=SUBSCRIPTION, group=RESOURCE_GROUP, workspace=NAME)}/onlineEndpoints"
    )
    token = DefaultAzureCredential().get_token(f"{home.url}/.default").token
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(verify=tls.client_context(home), headers=headers) as client:
        body = {"location": "local", "properties": {"authMode": "Key"}}
        statuses = [client.put(f"{endpoints}/e-{number}", json=body).status_code for number in range(100)]
        beyond = client.put(f"{endpoints}/e-100", json=body)
    assert (set(statuses), beyond.status_code) == ({201}, 400)
    assert "limit of 100 endpoints" in beyond.text
    assert [answer.status_code for answer in _ask(home, ml, "e-0", *8 * [b"x"])].count(429) > 0
    (late,) = _ask(home, ml, "e-1", b"x" * 30_000)
    assert (late.status_code, late.elapsed.total_seconds() > 0.4) == (404, True), "there is no deployment, but a wait"


def _ask(home: Home, ml: MLClient, endpoint: str, *bodies: bytes) -> list[httpx.Response]:
    url, key = str(ml.online_endpoints.get(endpoint).scoring_uri), ml.online_endpoints.get_keys(endpoint).primary_key
    with httpx.Client(verify=tls.client_context(home), headers={"Authorization": f"Bearer {key}"}) as client:
        return [client.post(url, content=body) for body in bodies]


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
