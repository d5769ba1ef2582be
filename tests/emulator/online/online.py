"""An endpoint with two deployments of a model that does as it is told, for the tests of the data plane."""

from __future__ import annotations

import asyncio
import os
import ssl
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

MODEL = Path(__file__).parents[1] / "models" / "echo"
PIN = "azureml-model-deployment"


@dataclass(frozen=True)
class Online:
    """An endpoint with two deployments: blue takes one request at a time for 2 s, green four for 10 s."""

    ml: MLClient
    name: str
    url: str
    headers: dict[str, str]
    client: httpx.Client

    def ask(self, text: str, *, pin: str | None = None, **headers: str) -> httpx.Response:
        """Send one message, pinned to a deployment or not."""
        pinned = {PIN: pin} if pin else {}
        return self.client.post(self.url, json=message(text), headers=pinned | headers)

    def route(self, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> None:
        """Write both maps; they take effect a moment later."""
        endpoint = self.ml.online_endpoints.get(self.name)
        endpoint.traffic, endpoint.mirror_traffic = traffic, mirror or {}
        self.ml.online_endpoints.begin_create_or_update(endpoint).result()

    def settle(self, traffic: dict[str, int]) -> None:
        """Write the traffic and wait until only its deployments have answered a number of requests."""
        self.route(traffic)
        expected = {name for name, weight in traffic.items() if weight}
        # Sixty, because ten answers of a deployment with a weight of 90 may come by chance.
        wait_for(lambda: {self.ask("hello").headers.get(PIN) for _ in range(60)} <= expected)

    def num_requests(self, deployment: str) -> int:
        """Return how many requests a deployment's log shows."""
        return self.ml.online_deployments.get_logs(deployment, self.name, lines=100_000).count('"POST ')

    async def ask_all(self, texts: list[str], *, pin: str) -> list[httpx.Response]:
        """Send messages at once."""
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        async with httpx.AsyncClient(verify=context, headers=self.headers | {PIN: pin}, timeout=30) as client:
            return await asyncio.gather(*(client.post(self.url, json=message(text)) for text in texts))


def message(text: str) -> dict[str, Any]:
    """Return a chat of one message in the foundation-model format."""
    return {"input_data": {"input_string": [{"role": "user", "content": text}], "parameters": {}}}


def start(ml: MLClient, deployments: dict[str, tuple[int, int]]) -> Online:
    """Return an endpoint with these deployments: their requests at once, and their timeout in milliseconds."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model, OnlineRequestSettings

    name = f"s-{uuid.uuid4().hex[:8]}"
    model = ml.models.create_or_update(Model(name=name, version="1", path=MODEL, type="mlflow_model"))
    endpoint = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name)).result()
    for deployment, (concurrency, timeout_ms) in deployments.items():
        settings = OnlineRequestSettings(
            request_timeout_ms=timeout_ms, max_concurrent_requests_per_instance=concurrency
        )
        what = {"name": deployment, "endpoint_name": name, "model": model.id, "request_settings": settings}
        size = {"instance_type": "Standard_DS3_v2", "instance_count": 1}
        ml.online_deployments.begin_create_or_update(ManagedOnlineDeployment(**what, **size)).result()
    headers = {"Authorization": f"Bearer {ml.online_endpoints.get_keys(name).primary_key}"}
    return Online(ml, name, endpoint.scoring_uri, headers, httpx.Client(headers=headers, timeout=30))
