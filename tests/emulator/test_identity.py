"""Signing in works as with a managed identity, and nothing works without it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from azure.ai.ml import MLClient, command
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError

from mlops.emulator import daemon, tokens
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE
from mlops.emulator.storage import account

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.home import Home


def _claims(token: str) -> dict[str, str]:
    payload = token.split(".")[1]
    claims: dict[str, str] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


@pytest.mark.parametrize("audience", ["https://management.azure.com", "https://ml.azure.local"])
def test_tokens_are_for_whom_they_were_asked(emulator_environment: dict[str, str], audience: str) -> None:
    """DefaultAzureCredential gets a token whose audience is the asked resource and whose tenant is set."""
    from azure.identity import DefaultAzureCredential

    assert emulator_environment
    claims = _claims(DefaultAzureCredential().get_token(f"{audience}/.default").token)
    assert claims["aud"] == audience
    assert claims["tid"]


class _Credential:
    """A credential that has just one token, whatever it is asked for."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        """Return the token, as if it were good for ages."""
        return AccessToken(self._token, 2**40)


def _get_workspace(token: str) -> None:
    MLClient(_Credential(token), SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE).workspaces.get()


def test_the_identity_endpoint_knows_its_own(emulator: Home) -> None:
    """Only who has the header that `env` prints is given a token, and only for a resource."""
    url, verify = f"{emulator.url}/msi/token", str(emulator.ca)
    query = {"resource": "https://management.azure.com", "api-version": "2019-08-01"}
    guess = httpx.get(url, params=query, headers={"X-IDENTITY-HEADER": "emulator"}, verify=verify)
    assert guess.status_code == 401
    nothing = httpx.get(url, headers={"X-IDENTITY-HEADER": emulator.identity_header}, verify=verify)
    assert nothing.status_code == 400


def test_two_homes_have_two_secrets(emulator: Home, own_home: Path) -> None:
    """Secrets are random and kept in files that only their owner can read."""
    own_home.mkdir()
    home = daemon.open_home(own_home)
    assert home.identity_header != emulator.identity_header
    assert account.key(home) != account.key(emulator)
    assert {file.stat().st_mode & 0o777 for file in own_home.glob("*.key")} == {0o600}


def test_the_control_plane_demands_a_token(emulator: Home) -> None:
    """A request without a bearer token is refused with Azure's error shape."""
    reply = httpx.get(f"{emulator.url}/subscriptions/s/resourceGroups/g", verify=str(emulator.ca))
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "AuthenticationFailed"


@pytest.mark.parametrize(
    ("audience", "lifetime_s", "code"),
    [
        ("https://management.azure.com", -1, "ExpiredAuthenticationToken"),
        ("https://storage.azure.com", 60, "InvalidAuthenticationTokenAudience"),
    ],
)
def test_tokens_are_checked(
    emulator: Home, emulator_environment: dict[str, str], audience: str, lifetime_s: float, code: str
) -> None:
    """A token of yesterday or for somebody else opens nothing."""
    assert emulator_environment
    _get_workspace(tokens.mint(emulator, "https://management.azure.com", lifetime_s=60))
    with pytest.raises(ClientAuthenticationError, match=code):
        _get_workspace(tokens.mint(emulator, audience, lifetime_s=lifetime_s))


@pytest.mark.parametrize("change", ["sign", "claim", "unsigned", "nonsense"])
def test_forged_tokens_are_refused(emulator: Home, emulator_environment: dict[str, str], change: str) -> None:
    """Only tokens that this emulator signed are any."""
    assert emulator_environment
    header, claims, signature = tokens.mint(emulator, "https://management.azure.com").split(".")
    other = (
        base64.urlsafe_b64encode(json.dumps({**_claims(f"h.{claims}.s"), "oid": "me"}).encode()).decode().rstrip("=")
    )
    nobody = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    forged = {
        "sign": f"{header}.{claims}.{signature[::-1]}",
        "claim": f"{header}.{other}.{signature}",
        "unsigned": f"{nobody}.{claims}.",
        "nonsense": "token",
    }
    with pytest.raises(ClientAuthenticationError, match="InvalidAuthenticationToken"):
        _get_workspace(forged[change])


@pytest.mark.parametrize(
    "path",
    [
        f"/history/v1.0/subscriptions/{SUBSCRIPTION}/resourceGroups/local/providers/x/workspaces/local/runs/r",
        "/mferp/managementfrontend/subscriptions/s/resourceGroups/g/providers/x/registries/azureml/models",
    ],
)
def test_the_services_beside_demand_one_too(emulator: Home, path: str) -> None:
    """Run history and registries are as closed as the control plane."""
    path = path.replace("/providers/x/", "/providers/Microsoft.MachineLearningServices/")
    reply = httpx.get(emulator.url + path, verify=str(emulator.ca))
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "AuthenticationFailed")


def test_jobs_sign_in_by_themselves(ml: MLClient) -> None:
    """A program inside a job reaches its workspace with DefaultAzureCredential, as with a cluster's identity."""
    program = (
        "from azure.ai.ml import MLClient; from azure.identity import DefaultAzureCredential; import os;"
        "e = os.environ; names = ('SUBSCRIPTION', 'RESOURCEGROUP', 'WORKSPACE_NAME');"
        "ml = MLClient(DefaultAzureCredential(), *(e[f'AZUREML_ARM_{name}'] for name in names));"
        "print('I am in', ml.workspaces.get().name)"
    )
    environment = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"
    job = ml.jobs.create_or_update(command(command=f'python -c "{program}"', environment=environment))
    ml.jobs.stream(job.name)
    assert ml.jobs.get(job.name).status == "Completed"


def test_unknown_requests_are_answered_in_azures_shape(emulator: Home) -> None:
    """What the emulator does not know is a 404 that names the request."""
    reply = httpx.get(f"{emulator.url}/nothing", verify=str(emulator.ca))
    assert reply.status_code == 404
    assert "GET /nothing" in reply.json()["error"]["message"]


def test_unknown_registries_are_not_found(emulator_environment: dict[str, str]) -> None:
    """A client of a registry that does not exist fails when it is made, as on Azure."""
    from azure.identity import DefaultAzureCredential

    assert emulator_environment
    with pytest.raises(ResourceNotFoundError):
        MLClient(DefaultAzureCredential(), registry_name="nowhere")
