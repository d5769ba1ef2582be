"""Signing in works as with a managed identity, and nothing works without it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import httpx
import pytest
from azure.core.exceptions import ResourceNotFoundError

if TYPE_CHECKING:
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


def test_the_control_plane_demands_a_token(emulator: Home) -> None:
    """A request without a bearer token is refused with Azure's error shape."""
    reply = httpx.get(f"{emulator.url}/subscriptions/s/resourceGroups/g", verify=str(emulator.ca))
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "AuthenticationFailed"


def test_unknown_requests_are_answered_in_azures_shape(emulator: Home) -> None:
    """What the emulator does not know is a 404 that names the request."""
    reply = httpx.get(f"{emulator.url}/nothing", verify=str(emulator.ca))
    assert reply.status_code == 404
    assert "GET /nothing" in reply.json()["error"]["message"]


def test_there_is_one_registry(emulator_environment: dict[str, str]) -> None:
    """A client of a registry that does not exist fails when it is made, as on Azure."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    assert emulator_environment
    with pytest.raises(ResourceNotFoundError):
        MLClient(DefaultAzureCredential(), registry_name="nowhere")
