"""Azure's errors as one line with its fix."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from mlops.errors import AzureError
from mlops.workspace.errors import azure_errors


def refused(code: str, message: str, **headers: str) -> HttpResponseError:
    """Return an error as azure-core raises it for a reply of the service."""
    error = HttpResponseError(message)
    error.error = SimpleNamespace(code=code, message=message, details=[])
    error.response = SimpleNamespace(status_code=400, headers=headers)
    return error


def line(error: Exception) -> str:
    """Return what a user reads."""
    with pytest.raises(AzureError) as shown, azure_errors("create cluster gpu"):
        raise error
    return str(shown.value)


def test_one_line_says_what_was_asked_what_was_said_and_where_to_look() -> None:
    """The request id is what Azure's support asks for first."""
    error = refused("UserError", "The tags\n  are too long.", **{"x-ms-request-id": "4711"})
    assert line(error) == "could not create cluster gpu: The tags are too long (HTTP 400, request 4711)"


@pytest.mark.parametrize(
    ("code", "message", "fix"),
    [
        (
            "BadArgument",
            "Not enough quota available for Standard_F4s_v2. Current usage/limit: 0/6. Additional needed: 8",
            "20 % more instances than it has, rounded up",
        ),
        ("ClusterCoreQuotaReached", "Operation results in exceeding quota limits of F.", "under Quotas of the portal"),
        ("UserError", "The specified vmSize X was retired on 2025-09-30", "a size that this region still offers"),
        ("AuthorizationFailed", "The client does not have authorization", "role AzureML Data Scientist"),
        (
            "AuthorizationFailed",
            "The client may not perform action 'Microsoft.MachineLearningServices/locations/usages/read'",
            "role on the subscription that reads sizes and quota",
        ),
        ("UserError", "ModelAssetPathNotFoundInStorage", "look whether the job has completed"),
        ("Conflict", "Cannot create a deployment in endpoint e in Updating provisioning state", "wait and run again"),
        (
            "BadArgument",
            "There is already an endpoint with this name, Endpoint name needs to be unique within a region",
            "choose another deploy.endpoint",
        ),
        ("UserError", "Endpoint names must be unique within the region", "choose another deploy.endpoint"),
        ("BadArgument", "The endpoint name Chat_1 is invalid", "3 to 32 lower-case letters, digits and single dashes"),
        ("UserError", "Deployment name [Blue_] is invalid", "names of endpoints and deployments"),
        ("UserError", "Compute name 1gpu is invalid", "names of clusters and instances begin with a letter"),
        ("UserError", "The job name 'a b' is invalid", "letters, digits, `-` and `_`, and are 255 characters"),
        ("UserError", "The name or version x/y is invalid", "letters, digits, `-` and `_`, and are 255 characters"),
        ("TooManyRequests", "Slow down", "wait some minutes"),
        ("UserError", "Asset nope version 1 of data was not found", "check its name and version"),
        (
            "InvalidAuthenticationToken",
            "AADSTS700024: Client assertion is not within its valid time",
            "id-token: write",
        ),
    ],
)
def test_a_known_error_comes_with_its_fix(code: str, message: str, fix: str) -> None:
    """Who hits it need not search for it."""
    said = line(refused(code, message))
    assert "To mend it:" in said
    assert fix in said


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ("HTTPSConnectionPool: SSLError(CERTIFICATE_VERIFY_FAILED)", "REQUESTS_CA_BUNDLE and SSL_CERT_FILE"),
        ("HTTPSConnection(host='127.0.0.1', port=1): Failed to establish a new connection", "mlops emulator start"),
        ("ProxyError('Cannot connect to proxy.')", "HTTPS_PROXY and NO_PROXY"),
    ],
)
def test_a_request_that_never_arrived_names_network_and_certificates(message: str, fix: str) -> None:
    """Companies have proxies and authorities of their own."""
    assert fix in line(ServiceRequestError(message))


def test_the_reason_inside_the_reason_is_told() -> None:
    """Online endpoints hide theirs in a JSON string of `details`."""
    error: Any = refused("Outer", "The request is invalid.")
    error.error.details = [SimpleNamespace(message='{"errors": {"VmSize": ["Not enough quota available for X."]}}')]
    assert line(error).startswith("could not create cluster gpu: Not enough quota available for X (HTTP 400)")
