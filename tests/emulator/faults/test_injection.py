"""Faults strike what they are told to, as often as they are told to, and nothing else."""

from __future__ import annotations

import random
import ssl
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from mlops.emulator import daemon, tls

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home
    from mlops.emulator.pytest_plugin import Emulator, Faults

    Call = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def call(azureml_emulator: Emulator) -> Callable[..., httpx.Response]:
    """Return a function that sends one request about a cluster, with a token and without any retry."""
    token = DefaultAzureCredential().get_token(f"{azureml_emulator.url}/.default").token
    names = [azureml_emulator.environment[f"AZURE_{name}"] for name in ("SUBSCRIPTION_ID", "RESOURCE_GROUP")]
    workspace = azureml_emulator.environment["AZURE_WORKSPACE_NAME"]
    base = (
        f"{azureml_emulator.url}/subscriptions/{names[0]}/resourceGroups/{names[1]}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace}/computes"
    )
    context: ssl.SSLContext = tls.client_context(azureml_emulator.home)

    def send(method: str, name: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(verify=context, headers=headers, timeout=30) as client:
            return client.request(method, f"{base}/{name}", **options)

    return send


def _cluster(name: str) -> AmlCompute:
    return AmlCompute(name=name, size="Standard_DS3_v2")


_BODY = {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2"}}}


def test_the_sdk_gets_over_throttling(ml: MLClient, faults: Faults, unique: str) -> None:
    """Two 429 with Retry-After cost the SDK two retries, and nothing else."""
    ml.compute.begin_create_or_update(_cluster(unique)).result()
    fault = faults.add("status", path=f"*/computes/{unique}", method="GET", status=429, count=2)
    started = time.monotonic()
    assert ml.compute.get(unique).name == unique
    assert time.monotonic() - started >= 2  # Retry-After: 1, twice
    assert {each["id"]: each["hits"] for each in faults.list()}[fault["id"]] == 2


@pytest.mark.parametrize(("status", "retry_after"), [(429, "1"), (503, "1"), (500, None)])
def test_retry_after_comes_with_what_can_be_retried(
    faults: Faults, call: Call, unique: str, status: int, retry_after: str | None
) -> None:
    """429 and 503 say when to come again, in Azure's shape of error."""
    faults.add("status", path=f"*/computes/{unique}", status=status)
    reply = call("GET", unique)
    assert reply.status_code == status
    assert reply.headers.get("Retry-After") == retry_after
    assert reply.json()["error"]["code"]


def test_the_same_seed_strikes_the_same_requests(faults: Faults, call: Call, unique: str) -> None:
    """A rate is drawn from a generator of its own, so that a test that failed fails again."""
    expected = [503 if draw < 0.3 else 404 for draw in _draws(seed=7, count=20)]
    for _ in range(2):
        with faults.injected("status", path=f"*/computes/{unique}", rate=0.3, seed=7):
            assert [call("GET", unique).status_code for _ in range(20)] == expected


def _draws(*, seed: int, count: int) -> list[float]:
    generator = random.Random(seed)  # noqa: S311 - the emulator draws with it, too
    return [generator.random() for _ in range(count)]


def test_only_what_matches_is_struck(faults: Faults, call: Call, unique: str) -> None:
    """Method and path must both fit; whatever else is asked for goes through."""
    faults.add("status", path=f"*/COMPUTES/{unique}", method="DELETE")
    assert call("GET", unique).status_code == 404
    assert call("DELETE", f"{unique}x").status_code == 404
    assert call("DELETE", unique).status_code == 503


def test_latency_is_added(faults: Faults, call: Call, unique: str) -> None:
    """The answer is the same, only later."""
    faults.add("latency", path=f"*/computes/{unique}", latency_s=0.5)
    started = time.monotonic()
    assert call("GET", unique).status_code == 404
    assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize("after", [False, True])
def test_a_broken_connection_may_hide_a_success(faults: Faults, call: Call, unique: str, *, after: bool) -> None:
    """A reset before the work leaves nothing; one after it leaves a resource that the client knows nothing of."""
    faults.add("reset", path=f"*/computes/{unique}", method="PUT", after=after)
    with pytest.raises(httpx.TransportError):
        call("PUT", unique, json=_BODY)
    assert call("GET", unique).status_code == (200 if after else 404)


def test_an_error_may_hide_a_success(faults: Faults, call: Call, unique: str) -> None:
    """With `after`, the work is done and only the answer is an error."""
    faults.add("status", path=f"*/computes/{unique}", method="PUT", status=500, after=True)
    assert call("PUT", unique, json=_BODY).status_code == 500
    assert call("GET", unique).status_code == 200


def test_an_accepted_operation_may_fail(ml: MLClient, faults: Faults, unique: str) -> None:
    """The write is answered 201; only its operation says that it failed, and the resource is Failed."""
    faults.add("operation", path=f"*/computes/{unique}", method="PUT", code="OutOfCapacity", message="No machines.")
    poller = ml.compute.begin_create_or_update(_cluster(unique))
    with pytest.raises(HttpResponseError, match=r"(?s)OutOfCapacity.*No machines"):
        poller.result()
    assert ml.compute.get(unique).provisioning_state == "Failed"


def test_an_operation_hangs_until_the_fault_is_cleared(ml: MLClient, faults: Faults, unique: str) -> None:
    """An operation that never ends keeps its poller waiting; when the fault is cleared it goes on."""
    fault = faults.add("operation", path=f"*/computes/{unique}", method="PUT", outcome="hang")
    poller = ml.compute.begin_create_or_update(_cluster(unique))
    poller.wait(timeout=1)
    assert not poller.done()
    assert ml.compute.get(unique).provisioning_state == "Creating"
    faults.clear(fault["id"])
    assert poller.result(timeout=30).provisioning_state == "Succeeded"


def test_storage_answers_in_its_own_shape(azureml_emulator: Emulator, faults: Faults, unique: str) -> None:
    """A fault on a blob is answered as the storage account does, in XML."""
    faults.add("status", path=f"*/{unique}/blob", status=503)
    context = tls.client_context(azureml_emulator.home)
    reply = httpx.get(f"{azureml_emulator.url}/emulator.blob.localhost/{unique}/blob", verify=context)
    assert reply.status_code == 503
    assert reply.headers["x-ms-error-code"] == "ServiceUnavailable"
    assert "<Code>ServiceUnavailable</Code>" in reply.text


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "earthquake"}, "kind 'earthquake' is none of status, latency"),
        ({"kind": "status", "status": 200}, "status: Input should be greater than or equal to 400"),
        ({"kind": "latency", "seconds": 1}, "seconds: Extra inputs are not permitted"),
        ({"kind": "reset", "rate": 2}, "rate: Input should be less than or equal to 1"),
    ],
)
def test_a_bad_fault_is_refused_with_a_reason(azureml_emulator: Emulator, fault: dict[str, Any], reason: str) -> None:
    """What is wrong about a fault is said by the name of its field."""
    with pytest.raises(daemon.EmulatorError, match=reason):
        azureml_emulator.faults.add(**fault)


def test_faults_are_forgotten_at_the_end(own_home: Any, connect: Callable[[Home], MLClient]) -> None:
    """Commands add, list and clear faults, `status` shows them, and a stop forgets them."""
    home, _ = daemon.start(own_home)
    assert "no faults in force" in _cli("status", own_home)
    added = _cli("fault", own_home, "add", "status", "--path", "*/computes/*", "--status", "404", "--count", "1")
    assert added == _cli("fault", own_home, "list")
    assert '"kind": "status"' in _cli("status", own_home)
    with pytest.raises(ResourceNotFoundError, match="fault that was asked for"):
        connect(home).compute.get("cpu")
    assert "struck 1 times" in _cli("fault", own_home, "list")
    assert _cli("fault", own_home, "clear", "fault-1") == "Cleared: fault-1.\n"
    _cli("fault", own_home, "add", "latency")
    daemon.stop(home)
    daemon.start(own_home)
    assert _cli("fault", own_home, "list") == "No faults are in force.\n"


def _cli(command: str, home: Any, *arguments: str) -> str:
    args = [sys.executable, "-m", "mlops.emulator", command, *arguments, "--home", str(home)]
    return subprocess.run(args, capture_output=True, text=True, timeout=60, check=True).stdout
