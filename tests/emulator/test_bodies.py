"""What is no proper body is refused with Azure's errors before any rule looks at it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.identity import DefaultAzureCredential

from mlops.emulator import tls
from mlops.emulator.context import WORKSPACE
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION
from mlops.emulator.home import WORKSPACE as NAME
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.emulator.pytest_plugin import Emulator

_JSON = {"Content-Type": "application/json"}
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def client(azureml_emulator: Emulator) -> Iterator[httpx.Client]:
    """Return a client of the workspace that may do everything."""
    token = DefaultAzureCredential().get_token(f"{azureml_emulator.url}/.default").token
    base = azureml_emulator.url + WORKSPACE.format(subscription=SUBSCRIPTION, group=RESOURCE_GROUP, workspace=NAME)
    context = tls.client_context(azureml_emulator.home)
    with httpx.Client(base_url=base, verify=context, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", _JSON, 400, "InvalidRequestContent"),
        (b"[]", _JSON, 400, "InvalidRequestContent"),
        (b"\xff", _JSON, 400, "InvalidRequestContent"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, _JSON, 400, "InvalidRequestContent"),
        (b'{"a":' * 9999 + b"1" + b"}" * 9999, _JSON, 400, "InvalidRequestContent"),
        (b"{}", _JSON | {"Content-Encoding": "gzip"}, 400, "InvalidRequestContent"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "UnsupportedMediaType"),
        (b"{}", {"Content-Type": "application/json; charset=utf-16"}, 415, "UnsupportedMediaType"),
        (b"", _JSON, 400, "UserError"),
        (b'{"properties": []}', _JSON, 400, "UserError"),
        (b'{"properties": {"jobType": 3}}', _JSON, 400, "UserError"),
        (b'{"x": "' + b"x" * 5 * 2**20 + b'"}', _JSON, 413, "RequestContentTooLarge"),
    ],
)
def test_improper_bodies_are_refused(
    client: httpx.Client, unique: str, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """Broken, too deep, too large, mislabeled and misshapen bodies have each their own error."""
    reply = client.put(f"/jobs/{unique}", content=content, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


def test_a_wrong_type_is_said_with_its_place(client: httpx.Client, unique: str) -> None:
    """The error names the field by its path, however deep it is."""
    body = {"properties": {"jobType": "Command", "inputs": {"data": {"uri": "azureml:x:1"}, "other": ["x"]}}}
    error = client.put(f"/jobs/{unique}", json=body).json()["error"]
    assert error["message"] == "The value of 'properties.inputs.other' is invalid: Input should be a valid dictionary."
    assert error["details"][0]["code"] == "InvalidPropertyValue"


DEPLOYMENT = "/onlineEndpoints/any/deployments/any"


def in_deployment(**properties: Any) -> dict[str, Any]:
    """Return the body of a deployment."""
    return {"properties": {"endpointComputeType": "Managed", **properties}}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", DEPLOYMENT, in_deployment(scaleSettings={"foo": 1}), "scaleSettings.scaleType"),
        (
            "PUT",
            DEPLOYMENT,
            in_deployment(requestSettings={"requestTimeout": "soon"}),
            "requestSettings.requestTimeout",
        ),
        ("PUT", DEPLOYMENT, in_deployment(livenessProbe={"period": "P" + "9" * 20 + "D"}), "livenessProbe.period"),
        ("PUT", DEPLOYMENT, in_deployment(livenessProbe={"failureThreshold": 2**31}), "livenessProbe.failureThreshold"),
        ("PUT", DEPLOYMENT, in_deployment(codeConfiguration={"codeId": "x"}), "codeConfiguration.scoringScript"),
        (
            "PUT",
            DEPLOYMENT,
            in_deployment(codeConfiguration={"codeId": 5, "scoringScript": "s"}),
            "codeConfiguration.codeId",
        ),
        ("POST", f"{DEPLOYMENT}/getLogs", {"tail": -1}, "tail"),
        ("POST", f"{DEPLOYMENT}/getLogs", {"tail": 2**63}, "tail"),
        ("PUT", "/datastores/any", {"properties": {"datastoreType": "AzureBlob", "accountName": 5}}, "accountName"),
        ("PUT", "/datastores/any", {"properties": {"datastoreType": []}}, "datastoreType"),
    ],
)
def test_what_its_rules_could_not_read_is_refused_before(
    client: httpx.Client, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    """Durations, numbers of 32 bits, required fields: what is none of these is a 400 that names it, never a 500."""
    reply = client.request(method, path, json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["details"][0]["code"]) == (400, "InvalidPropertyValue"), error
    assert f"{field}' is invalid" in error["message"]


def test_a_field_that_is_null_is_one_that_was_not_given(client: httpx.Client, unique: str) -> None:
    """A deployment with null for its capacity and its probes is read to its end: only its image is missing."""
    endpoint = f"/onlineEndpoints/{unique}"
    assert client.put(endpoint, json={"location": "local", "properties": {"authMode": "Key"}}).is_success
    wait_for(lambda: client.get(endpoint).json()["properties"]["provisioningState"] == "Succeeded")
    body = in_deployment(livenessProbe={"period": None}, scaleSettings=None, instanceType="Standard_DS3_v2")
    reply = client.put(f"{endpoint}/deployments/any", json={**body, "sku": {"name": "Default", "capacity": None}})
    assert (reply.status_code, "Image" in reply.text) == (400, True), reply.text
    assert client.delete(endpoint).is_success


def test_malformed_requests_never_break_it() -> None:
    """A thousand spoiled requests, of every route, leave no 500 and no traceback; the benchmark sends ten thousand."""
    args = [sys.executable, str(_ROOT / "tests/benchmarks/malformed.py"), "--requests", "1000", "--seed", "1"]
    # The SDK puts the name of the cloud it saw first into the environment; this one will see another.
    own = {name: value for name, value in os.environ.items() if name != "AZUREML_CURRENT_CLOUD"}
    outcome = subprocess.run(args, env=own, capture_output=True, text=True, timeout=300, check=False)
    assert outcome.returncode == 0, outcome.stdout[-8000:] + outcome.stderr[-2000:]
