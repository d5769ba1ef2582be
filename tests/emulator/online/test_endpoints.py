"""Online endpoints: their names, their credentials, and what their traffic may not be."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import DefaultAzureCredential

from mlops.emulator import daemon, tokens
from mlops.emulator.online import credentials
from mlops.emulator.pytest_plugin import Faults
from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    from mlops.emulator.home import Home
    from mlops.emulator.pytest_plugin import Emulator

pytestmark = pytest.mark.xdist_group("endpoints")


def create(ml: MLClient, name: str | None = None, **fields: object) -> ManagedOnlineEndpoint:
    """Create an endpoint, or replace it, and return it when that is done."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    endpoint = ManagedOnlineEndpoint(name=name or f"e-{uuid.uuid4().hex[:8]}", **{"auth_mode": "key", **fields})
    return ml.online_endpoints.begin_create_or_update(endpoint).result()


@pytest.fixture(scope="module")
def control(ml: MLClient, emulator: Home) -> Iterator[httpx.Client]:
    """Return a client of the REST interface, for what the SDK would not send or not show."""
    token = ml._credential.get_token("https://management.azure.com/.default").token  # noqa: SLF001 - no public way
    workspace = (
        f"/subscriptions/{ml.subscription_id}/resourceGroups/{ml.resource_group_name}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{ml.workspace_name}"
    )
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{emulator.url}{workspace}/onlineEndpoints", headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def endpoint(ml: MLClient) -> Iterator[ManagedOnlineEndpoint]:
    """Return an endpoint without deployments."""
    created = create(ml)
    yield created
    ml.online_endpoints.begin_delete(created.name).result()


def test_an_endpoint_is_created_read_listed_and_deleted(ml: MLClient) -> None:
    """An endpoint succeeds without traffic, keeps its tags, is listed, and is gone after its deletion."""
    created = create(ml, tags={"stage": "deploy"}, description="for chat")
    assert str(created.scoring_uri).startswith("https://127.0.0.1:")
    assert str(created.scoring_uri).endswith(f"/endpoints/{created.name}/score")
    read = ml.online_endpoints.get(created.name)
    assert (read.provisioning_state, read.traffic, read.tags) == ("Succeeded", {}, {"stage": "deploy"})
    assert created.name in {listed.name for listed in ml.online_endpoints.list()}
    ml.online_endpoints.begin_delete(created.name).result()
    with pytest.raises(ResourceNotFoundError):
        ml.online_endpoints.get(created.name)


def test_an_operation_is_followed_to_its_end(
    ml: MLClient, control: httpx.Client, azureml_emulator: Emulator, unique: str
) -> None:
    """A write names its operation in two headers and in the body; the resource's state is in between meanwhile."""
    with azureml_emulator.faults.injected("operation", path=f"*/onlineEndpoints/{unique}", outcome="hang", count=1):
        accepted = control.put(unique, json={"location": "local", "properties": {"authMode": "Key"}})
        document = accepted.json()["properties"]
        assert (accepted.status_code, document["provisioningState"]) == (201, "Creating")
        assert document["properties"]["AzureAsyncOperationUri"] == accepted.headers["Azure-AsyncOperation"]
        assert document["properties"]["azureml.onlineendpointid"] == accepted.json()["id"]
        assert control.get(accepted.headers["Azure-AsyncOperation"]).json()["status"] == "InProgress"
        assert control.get(accepted.headers["Location"]).status_code == 202
        with pytest.raises(ResourceExistsError, match="in progress"):
            create(ml, unique)
    operation = finished(control, accepted.headers["Azure-AsyncOperation"])
    assert (operation["status"], operation["startTime"] < operation["endTime"]) == ("Succeeded", True)
    assert control.get(unique).json()["properties"]["provisioningState"] == "Succeeded"
    deleted = control.delete(unique)
    assert deleted.status_code == 202
    finished(control, deleted.headers["Location"].replace("mfeOperationResults", "mfeOperationsStatus"))
    assert control.get(unique).status_code == 404
    assert control.get(deleted.headers["Location"]).status_code == 204, "The operation must outlive the resource."


def finished(control: httpx.Client, url: str) -> dict[str, str]:
    """Return what an operation says when it is over."""
    wait_for(lambda: control.get(url).json()["status"] != "InProgress")
    return dict(control.get(url).json())


def test_what_failed_to_be_created_is_created_anew(ml: MLClient, azureml_emulator: Emulator, unique: str) -> None:
    """An endpoint whose creation failed is deleted first; one whose update failed is written again."""
    with azureml_emulator.faults.injected("operation", path=f"*/onlineEndpoints/{unique}", method="PUT", count=1):
        with pytest.raises(HttpResponseError, match="The operation failed"):
            create(ml, unique)
        with pytest.raises(HttpResponseError, match="has not been created successfully") as refusal:
            create(ml, unique)
    assert refusal.value.status_code == 400
    ml.online_endpoints.begin_delete(unique).result()
    create(ml, unique)
    with azureml_emulator.faults.injected("operation", path=f"*/onlineEndpoints/{unique}", method="PUT", count=1):
        with pytest.raises(HttpResponseError, match="The operation failed"):
            create(ml, unique)
        assert create(ml, unique).provisioning_state == "Succeeded"
    ml.online_endpoints.begin_delete(unique).result()


def test_traffic_is_refused_on_creation(ml: MLClient) -> None:
    """Traffic cannot be set before there are deployments."""
    with pytest.raises(HttpResponseError, match="Traffic cannot be set when an endpoint is created"):
        create(ml, traffic={"blue": 100})


def test_a_put_replaces_traffic_and_tags(ml: MLClient, endpoint: ManagedOnlineEndpoint) -> None:
    """A second PUT is an update: the endpoint becomes what the request says."""
    create(ml, endpoint.name, tags={"a": "1"})
    create(ml, endpoint.name, tags={"b": "2"})
    assert ml.online_endpoints.get(endpoint.name).tags == {"b": "2"}


@pytest.mark.parametrize(
    ("traffic", "mirror", "reason"),
    [
        ({"blue": 50}, {}, "sum to 0 or 100"),
        ({"blue": 100}, {}, "does not exist"),
        ({}, {"blue": 10}, "does not exist"),
        ({}, {"blue": 60}, "from 0 to 50"),
    ],
)
def test_bad_traffic_is_refused_with_the_inner_reason(
    ml: MLClient, endpoint: ManagedOnlineEndpoint, traffic: dict[str, int], mirror: dict[str, int], reason: str
) -> None:
    """A 400 holds the reason where Azure holds it: in a JSON string of code InferencingClientCallFailed."""
    with pytest.raises(HttpResponseError, match=reason) as refusal:
        create(ml, endpoint.name, traffic=traffic, mirror_traffic=mirror)
    assert refusal.value.status_code == 400
    assert "InferencingClientCallFailed" in str(refusal.value)
    assert ml.online_endpoints.get(endpoint.name).traffic == {}


def test_names_are_unique_in_the_region(ml: MLClient, endpoint: ManagedOnlineEndpoint, unique: str) -> None:
    """The same name in another workspace is refused with the service's words."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Workspace
    from azure.identity import DefaultAzureCredential

    ml.workspaces.begin_create(Workspace(name=unique)).result()
    other = MLClient(DefaultAzureCredential(), ml.subscription_id, ml.resource_group_name, unique)
    with pytest.raises(HttpResponseError, match="There is already an endpoint with this name"):
        create(other, endpoint.name)
    assert endpoint.name not in {listed.name for listed in other.online_endpoints.list()}


@pytest.mark.parametrize("name", ["ab", "a" * 33, "1blue", "blue-", "blue_1", "blue--1"])
def test_bad_names_are_refused_by_the_service_too(control: httpx.Client, name: str) -> None:
    """Names have 3 to 32 letters, digits and single dashes, from a letter to no dash; the service checks it itself."""
    answer = control.put(name, json={"location": "local", "properties": {"authMode": "Key"}})
    assert answer.status_code == 400
    assert "is invalid" in answer.text


def test_a_key_has_a_type_that_exists(control: httpx.Client, endpoint: ManagedOnlineEndpoint) -> None:
    """Only the primary and the secondary key can be made anew; a key that is given is taken."""
    answer = control.post(f"{endpoint.name}/regenerateKeys", json={"keyType": "Tertiary"})
    assert (answer.status_code, "Primary or Secondary" in answer.text) == (400, True)
    assert control.post(f"{endpoint.name}/regenerateKeys", json={"keyType": "Primary", "keyValue": "my own"}).is_success
    assert knock(endpoint, "my own") == 404


def test_regenerating_a_key_changes_that_key_only(ml: MLClient, endpoint: ManagedOnlineEndpoint) -> None:
    """The SDK sends the current key along; a new one is made all the same, and the other stays."""
    before = ml.online_endpoints.get_keys(endpoint.name)
    ml.online_endpoints.begin_regenerate_keys(endpoint.name, key_type="secondary").result()
    after = ml.online_endpoints.get_keys(endpoint.name)
    assert after.primary_key == before.primary_key
    assert after.secondary_key != before.secondary_key


def knock(endpoint: ManagedOnlineEndpoint, credential: str) -> int:
    """Return the status with which the data plane answers a credential."""
    headers = {"Authorization": f"Bearer {credential}"} if credential else {}
    url = str(endpoint.scoring_uri)
    return httpx.post(url, json={}, headers=headers).status_code


def test_both_keys_open_and_nothing_else_does(ml: MLClient, endpoint: ManagedOnlineEndpoint) -> None:
    """Without a valid key the data plane answers 401; with one, 404 as long as no deployment has traffic."""
    keys = ml.online_endpoints.get_keys(endpoint.name)
    assert [knock(endpoint, key) for key in (keys.primary_key, keys.secondary_key)] == [404, 404]
    assert [knock(endpoint, key) for key in ("", "wrong")] == [401, 401]


def test_tokens_open_an_endpoint_of_their_mode(ml: MLClient) -> None:
    """`aml_token` gives tokens that expire, `aad_token` takes Entra tokens for Azure ML; keys are refused there."""
    aml, aad = create(ml, auth_mode="aml_token"), create(ml, auth_mode="aad_token")
    token = ml.online_endpoints.get_keys(aml.name)
    assert token.expiry_time_utc > token.refresh_after_time_utc
    assert knock(aml, token.access_token) == 404
    assert knock(aml, token.access_token + "0") == 401
    entra = ml.online_endpoints.get_keys(aad.name).access_token
    assert knock(aad, entra) == 404
    assert knock(aad, token.access_token) == 401
    assert knock(aad, DefaultAzureCredential().get_token("https://vault.azure.net/.default").token) == 401
    for name in (aml.name, aad.name):
        ml.online_endpoints.begin_delete(name).result()


def test_tokens_may_expire_early(own_home: Path, connect: Callable[[Home], MLClient]) -> None:
    """The fault `token` strikes the tokens of endpoints, too: one that has expired opens nothing."""
    home, _ = daemon.start(own_home)
    ml = connect(home)
    endpoint = create(ml, auth_mode="aml_token")
    with Faults(home).injected("token", lifetime_s=0):
        token = ml.online_endpoints.get_keys(endpoint.name)
    assert knock(endpoint, token.access_token) == 401
    assert knock(endpoint, ml.online_endpoints.get_keys(endpoint.name).access_token) == 404


def test_tokens_expire(emulator: Home) -> None:
    """A token opens until its expiry time and not after."""
    secret = {"tokenSecret": "s"}
    token = credentials.mint_token("s", now=1000.0)
    header = f"Bearer {token['accessToken']}"
    expiry = float(token["expiryTimeUtc"])
    assert credentials.is_accepted(emulator, header, auth_mode="AMLToken", secret=secret, now=expiry)
    assert not credentials.is_accepted(emulator, header, auth_mode="AMLToken", secret=secret, now=expiry + 1)


def test_entra_tokens_are_for_azure_ml_only(emulator: Home) -> None:
    """A token for another audience, or one that has expired, is refused."""
    for audience, lifetime_s, is_good in (
        ("https://ml.azure.com", 60, True),
        ("https://ml.azure.com", -60, False),
        ("https://vault.azure.net", 60, False),
    ):
        header = f"Bearer {tokens.mint(emulator, audience, lifetime_s=lifetime_s)}"
        assert credentials.is_accepted(emulator, header, auth_mode="AADToken", secret={}, now=0) == is_good


def test_an_unknown_endpoint_is_a_404_on_both_planes(ml: MLClient, endpoint: ManagedOnlineEndpoint) -> None:
    """Reading what does not exist fails; deleting it does not."""
    with pytest.raises(ResourceNotFoundError):
        ml.online_endpoints.get_keys("no-such-endpoint")
    url = str(endpoint.scoring_uri).replace(str(endpoint.name), "no-such-endpoint")
    assert httpx.post(url).status_code == 404
    ml.online_endpoints.begin_delete("no-such-endpoint").result()
