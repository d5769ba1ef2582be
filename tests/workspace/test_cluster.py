"""The cluster: made as asked, or refused with a message of its own for each reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from enum import Enum
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from mlops.compute.cluster import ClusterSettings
from mlops.errors import AzureError, InputError
from mlops.workspace import cluster
from mlops.workspace.client import Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

A100 = "Standard_NC24ads_A100_v4"
WANTED = ClusterSettings(name="gpu", size=A100, tier="dedicated", max_instances=4, idle_s=120, num_nodes=2)
SECTION = "finetune.cluster"
GOOD = {"type": "amlcompute", "provisioning_state": "Succeeded", "provisioning_errors": None} | {
    "size": A100.upper(),
    "max_instances": 4,
    "tier": "dedicated",
}


class State(str, Enum):  # noqa: UP042 - as the SDK's own, whose `str` is not the service's word
    """A state as the SDK hands it on."""

    FAILED = "Failed"


def test_a_cluster_as_asked_is_taken() -> None:
    """Sizes compare without case; a tier the service does not tell is not doubted."""
    cluster.check(SimpleNamespace(**GOOD), WANTED, section=SECTION)
    cluster.check(SimpleNamespace(**GOOD | {"tier": None}), WANTED, section=SECTION)


@pytest.mark.parametrize(
    ("found", "kind", "message"),
    [
        ({"provisioning_state": "Failed", "provisioning_errors": "NoQuota"}, AzureError, "in a failed state: NoQuota"),
        ({"provisioning_state": State.FAILED}, AzureError, "in a failed state"),
        ({"size": "STANDARD_NC6S_V3"}, InputError, "has size STANDARD_NC6S_V3, finetune.cluster.size is"),
        ({"max_instances": 1}, InputError, "at most 1 nodes, finetune.cluster.num_nodes is 2: the job would wait"),
        ({"tier": "low_priority"}, InputError, "is low_priority, finetune.cluster.tier is dedicated"),
        ({"type": "computeinstance"}, InputError, "is a computeinstance, not a cluster"),
    ],
)
def test_each_reason_has_its_message(found: dict[str, object], kind: type[Exception], message: str) -> None:
    """Failed, wrong size, too few nodes, another tier, no cluster at all."""
    with pytest.raises(kind, match=message.replace(".", r"\.")):
        cluster.check(SimpleNamespace(**GOOD | found), WANTED, section=SECTION)


def test_it_is_made_as_the_settings_say(ml: MLClient, unique: str) -> None:
    """No nodes while idle, low priority, idle time, identity: row 6 of the flow and more; then it is found."""
    name = f"c{unique[-8:]}"
    wanted = WANTED.model_copy(update={"name": name, "tier": "low_priority", "identity": "system_assigned"})
    for _ in range(2):
        cluster.ensure_cluster(Workspace(ml, None), wanted, section=SECTION)
    made = ml.compute.get(name)
    assert (made.min_instances, made.max_instances, made.idle_time_before_scale_down) == (0, 4, 120)
    assert made.tier == "low_priority"
    assert made.identity.type == "system_assigned"
    with pytest.raises(InputError, match="is low_priority, finetune"):
        cluster.ensure_cluster(Workspace(ml, None), wanted.model_copy(update={"tier": "dedicated"}), section=SECTION)


def test_serverless_needs_no_cluster() -> None:
    """Nothing is asked of the workspace."""
    cluster.ensure_cluster(Workspace(None, None), WANTED.model_copy(update={"name": "serverless"}), section=SECTION)


class Prices(BaseHTTPRequestHandler):
    """The Retail Prices API: one offer for what was asked, or whatever `body` is."""

    asked: ClassVar[list[str]] = []
    body: ClassVar[bytes] = b""

    def do_GET(self) -> None:
        """Answer a page."""
        self.asked.extend(parse_qs(urlsplit(self.path).query)["$filter"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def prices() -> Iterator[str]:
    """Run the stand-in; return its address."""
    server = HTTPServer(("127.0.0.1", 0), Prices)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Prices.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def test_the_price_of_the_day_is_asked_for_size_and_region(prices: str) -> None:
    """https://learn.microsoft.com/rest/api/cost-management/retail-prices: an OData filter, a page of items."""
    offer = {"type": "Consumption", "productName": "NC", "meterName": "NC24ads A100 v4", "retailPrice": 3.4}
    Prices.body = json.dumps({"Items": [offer | {"effectiveStartDate": "2026-11-01T00:00:00Z"}]}).encode()
    price = cluster.retail_price("westeurope", A100, "dedicated", api=prices)
    assert str(price) == "3.400 USD/h (Azure Retail Prices API, 2026-11-01)"
    assert f"armRegionName eq 'westeurope' and armSkuName eq '{A100}'" in Prices.asked[0]


@pytest.mark.parametrize("body", [b"<html>a proxy's page</html>", b"{}", b'{"Items": []}'])
def test_without_an_answer_there_is_no_price(prices: str, body: bytes) -> None:
    """The table's price is then used: a plan does not fail for it."""
    Prices.body = body
    assert cluster.retail_price("eastus", A100, "dedicated", api=prices) is None
    assert cluster.retail_price("eastus", A100, "dedicated", api="http://127.0.0.1:9/api") is None
