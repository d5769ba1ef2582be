"""Online deployments: what the service grants, how a deployment fails, and that it outlives the emulator."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from mlops.emulator import daemon, tls
from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ManagedOnlineDeployment
    from azure.core.polling import LROPoller

    from mlops.emulator.home import Home
    from mlops.emulator.pytest_plugin import Emulator

MODELS = Path(__file__).parents[1] / "models"
Deploy = Callable[..., "LROPoller[ManagedOnlineDeployment]"]

pytestmark = pytest.mark.xdist_group("endpoints")


def register(ml: MLClient, model: str) -> str:
    """Register one of the test models and return its id."""
    from azure.ai.ml.entities import Model

    asset = Model(name=f"{model}-{uuid.uuid4().hex[:8]}", version="1", path=MODELS / model, type="mlflow_model")
    return ml.models.create_or_update(asset).id


@pytest.fixture(scope="module")
def models(ml: MLClient) -> dict[str, str]:
    """Return the ids of the test models."""
    return {model: register(ml, model) for model in ("echo", "broken")}


@pytest.fixture(scope="module")
def endpoint(ml: MLClient) -> Iterator[str]:
    """Return the name of an endpoint."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    name = f"d-{uuid.uuid4().hex[:8]}"
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name)).result()
    yield name
    ml.online_endpoints.begin_delete(name).result()


@pytest.fixture(scope="module")
def deploy(ml: MLClient, endpoint: str, models: dict[str, str]) -> Deploy:
    """Return a function that begins to create or update a deployment of that endpoint."""
    from azure.ai.ml.entities import ManagedOnlineDeployment

    def begin(name: str, model: str = "echo", **fields: Any) -> LROPoller[ManagedOnlineDeployment]:
        settings = {"instance_type": "Standard_DS3_v2", "instance_count": 1, **fields}
        asset = models.get(model, model)
        deployment = ManagedOnlineDeployment(name=name, endpoint_name=endpoint, model=asset, **settings)
        return ml.online_deployments.begin_create_or_update(deployment)

    return begin


@pytest.fixture(scope="module")
def blue(deploy: Deploy) -> ManagedOnlineDeployment:
    """Return a deployment that succeeded."""
    return deploy("blue").result()


def route(ml: MLClient, endpoint: str, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> None:
    """Write both maps of an endpoint."""
    document = ml.online_endpoints.get(endpoint)
    document.traffic, document.mirror_traffic = traffic, mirror or {}
    ml.online_endpoints.begin_create_or_update(document).result()


def ask(ml: MLClient, endpoint: str, deployment: str, text: str) -> httpx.Response:
    """Send a message to a deployment, whatever its traffic."""
    key, url = ml.online_endpoints.get_keys(endpoint).primary_key, ml.online_endpoints.get(endpoint).scoring_uri
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": deployment}
    body = {"input_data": {"input_string": [{"role": "user", "content": text}], "parameters": {}}}
    return httpx.post(url, json=body, headers=headers, timeout=30)


def test_a_deployment_is_read_back_with_the_services_defaults(
    ml: MLClient, endpoint: str, blue: ManagedOnlineDeployment, models: dict[str, str]
) -> None:
    """What the request left out comes back as Azure's defaults, and a new deployment has no traffic."""
    read = ml.online_deployments.get("blue", endpoint)
    assert (blue.provisioning_state, read.provisioning_state) == ("Succeeded", "Succeeded")
    assert (read.model, read.instance_count, read.instance_type) == (models["echo"], 1, "Standard_DS3_v2")
    assert read.request_settings.request_timeout_ms == 5000
    assert read.request_settings.max_concurrent_requests_per_instance == 1
    assert (read.liveness_probe.period, read.readiness_probe.failure_threshold) == (10, 30)
    assert [listed.name for listed in ml.online_deployments.list(endpoint)] == ["blue"]
    assert ml.online_endpoints.get(endpoint).traffic == {"blue": 0}


@pytest.mark.usefixtures("blue")
def test_logs_are_those_of_the_container(ml: MLClient, endpoint: str) -> None:
    """The inference server's log shows its requests, at most as many lines as asked; the initializer has its own."""
    assert ask(ml, endpoint, "blue", "hello").json()["output"] == "hello"
    logs = ml.online_deployments.get_logs("blue", endpoint, lines=1)
    assert "POST /score" in logs
    assert len(logs.splitlines()) == 1
    initializer = ml.online_deployments.get_logs("blue", endpoint, lines=9, container_type="storage-initializer")
    assert "is mounted" in initializer


def limits() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return requests over the service's limits, with the reason of each refusal."""
    from azure.ai.ml.entities import OnlineRequestSettings, ProbeSettings

    return {
        "timeout": ("at most 180 s", {"request_settings": OnlineRequestSettings(request_timeout_ms=180001)}),
        "instances": ("must be 1 to 50, not 51", {"instance_count": 51}),
        "quota": ("OutOfQuota", {"instance_count": 50}),
        "size": ("not supported", {"instance_type": "Huge"}),
        "retired": ("retired", {"instance_type": "Standard_NC6s_v3"}),
        "liveness": ("must be 1", {"liveness_probe": ProbeSettings(success_threshold=2)}),
    }


@pytest.mark.parametrize("limit", ["timeout", "instances", "quota", "size", "retired", "liveness"])
def test_limits_are_refused_before_anything_starts(deploy: Deploy, ml: MLClient, endpoint: str, limit: str) -> None:
    """What is over a limit of the service is a 400 with the reason, and leaves no deployment behind."""
    reason, fields = limits()[limit]
    with pytest.raises(HttpResponseError, match=reason) as refusal:
        deploy("over", **fields)
    assert refusal.value.status_code == 400
    with pytest.raises(ResourceNotFoundError):
        ml.online_deployments.get("over", endpoint)


def test_an_unknown_model_is_refused(deploy: Deploy, models: dict[str, str]) -> None:
    """A deployment of a model version that does not exist is a 400."""
    with pytest.raises(HttpResponseError, match="model was not found") as refusal:
        deploy("over", model=models["echo"].replace("/versions/1", "/versions/7"))
    assert refusal.value.status_code == 400


def test_a_deployment_that_never_worked_can_only_be_deleted(deploy: Deploy, ml: MLClient, endpoint: str) -> None:
    """A model that cannot be loaded fails the deployment, keeps the logs, gets no traffic and no second try."""
    with pytest.raises(HttpResponseError, match="ResourceNotReady"):
        deploy("bad", model="broken").result()
    assert ml.online_deployments.get("bad", endpoint).provisioning_state == "Failed"
    assert "weights are missing" in ml.online_deployments.get_logs("bad", endpoint, lines=50)
    with pytest.raises(HttpResponseError, match="unrecoverable state"):
        deploy("bad", model="echo")
    with pytest.raises(HttpResponseError, match="is Failed, not Succeeded"):
        route(ml, endpoint, {"bad": 100})
    ml.online_deployments.begin_delete("bad", endpoint).result()
    with pytest.raises(ResourceNotFoundError):
        ml.online_deployments.get("bad", endpoint)


@pytest.mark.usefixtures("blue")
def test_a_deployment_with_traffic_cannot_be_deleted(ml: MLClient, endpoint: str) -> None:
    """Neither live nor mirrored traffic may point to a deployment that is deleted."""
    for traffic, mirror in (({"blue": 100}, {}), ({}, {"blue": 10})):
        route(ml, endpoint, traffic, mirror)
        with pytest.raises(HttpResponseError, match="cannot be deleted") as refusal:
            ml.online_deployments.begin_delete("blue", endpoint)
        assert refusal.value.status_code == 400
    route(ml, endpoint, {})


@pytest.mark.usefixtures("blue")
def test_writes_overlap_in_a_409_and_deletion_takes_precedence(deploy: Deploy, ml: MLClient, endpoint: str) -> None:
    """While a deployment is created, other writes of its endpoint conflict; its own deletion cancels it."""
    creation = deploy("late")
    assert ml.online_deployments.get("late", endpoint).provisioning_state == "Creating"
    with pytest.raises(ResourceExistsError, match="in progress"):
        route(ml, endpoint, {"blue": 100})
    with pytest.raises(ResourceExistsError, match="in progress"):
        deploy("other")
    ml.online_deployments.begin_delete("late", endpoint).result()
    with pytest.raises(HttpResponseError, match="OperationCanceled"):
        creation.result()


@pytest.mark.usefixtures("blue")
def test_an_update_scales_and_a_failed_update_goes_on_serving(deploy: Deploy, ml: MLClient, endpoint: str) -> None:
    """Two instances are two processes that take turns; an update that fails leaves them serving."""
    deploy("blue", instance_count=2).result()
    pids = {ask(ml, endpoint, "blue", "pid").json()["output"] for _ in range(4)}
    assert len(pids) == 2
    with pytest.raises(HttpResponseError, match="ResourceNotReady"):
        deploy("blue", model="broken").result()
    assert ml.online_deployments.get("blue", endpoint).provisioning_state == "Failed"
    assert ask(ml, endpoint, "blue", "pid").json()["output"] in pids
    deploy("blue", instance_count=2).result()
    assert ask(ml, endpoint, "blue", "pid").json()["output"] in pids


def test_probes_take_a_container_out_and_end_it(deploy: Deploy, ml: MLClient, endpoint: str) -> None:
    """A container that hangs gets no requests once its readiness fails, and is started anew once its liveness does."""
    from azure.ai.ml.entities import ProbeSettings

    probes = {
        "readiness_probe": ProbeSettings(initial_delay=300, period=1, timeout=1, failure_threshold=1),
        "liveness_probe": ProbeSettings(initial_delay=300, period=2, timeout=1, failure_threshold=3),
    }
    deploy("probed", instance_count=2, **probes).result()
    stopped, other = sorted({int(ask(ml, endpoint, "probed", "pid").json()["output"]) for _ in range(2)})
    os.kill(stopped, signal.SIGSTOP)
    wait_for(lambda: "it gets no requests" in ml.online_deployments.get_logs("probed", endpoint, lines=1000))
    assert {ask(ml, endpoint, "probed", "pid").json()["output"] for _ in range(4)} == {str(other)}
    wait_for(lambda: len({ask(ml, endpoint, "probed", "pid").json()["output"] for _ in range(2)}) == 2)
    log = ml.online_deployments.get_logs("probed", endpoint, lines=1000)
    assert "liveness probe failed 3 times" in log
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)
    ml.online_deployments.begin_delete("probed", endpoint).result()


def test_an_endpoint_has_at_most_20_deployments(
    ml: MLClient, models: dict[str, str], azureml_emulator: Emulator, unique: str
) -> None:
    """The 21st is refused; whether those before it work does not matter. Their endpoint takes them with it."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint

    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique)).result()
    size = {"instance_type": "Standard_Unknown", "instance_count": 1}

    def create(number: int) -> None:
        name = f"number-{number}"
        deployment = ManagedOnlineDeployment(name=name, endpoint_name=unique, model=models["echo"], **size)
        with pytest.raises(HttpResponseError, match="The operation failed"):
            ml.online_deployments.begin_create_or_update(deployment).result()

    with azureml_emulator.faults.injected("operation", path=f"*/onlineEndpoints/{unique}/deployments/*"):
        for number in range(20):
            create(number)
        with pytest.raises(HttpResponseError, match="at most 20 deployments"):
            ml.online_deployments.begin_create_or_update(
                ManagedOnlineDeployment(name="number-20", endpoint_name=unique, model=models["echo"], **size)
            )
    ml.online_endpoints.begin_delete(unique).result()
    with pytest.raises(ResourceNotFoundError):
        ml.online_deployments.get("number-0", unique)


def test_traffic_takes_effect_late_and_deployments_survive_a_killed_emulator(
    own_home: Path, connect: Callable[[Home], MLClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write of traffic is not in effect yet when its operation has succeeded.

    After `kill -9` and a start it is, and a request waits for the container to be ready again.
    """
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model, OnlineRequestSettings

    monkeypatch.setenv("AZUREML_EMULATOR_PROPAGATION_DELAY_S", "60")
    home, _ = daemon.start(own_home)
    ml = connect(home)
    model = ml.models.create_or_update(Model(name="echo", version="1", path=MODELS / "echo", type="mlflow_model"))
    url = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="chat")).result().scoring_uri
    blue = ManagedOnlineDeployment(
        name="blue", endpoint_name="chat", model=model.id, instance_type="Standard_DS3_v2", instance_count=1
    )
    blue.request_settings = OnlineRequestSettings(request_timeout_ms=60000)
    ml.online_deployments.begin_create_or_update(blue).result()
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="chat", traffic={"blue": 100})).result()
    headers = {"Authorization": f"Bearer {ml.online_endpoints.get_keys('chat').primary_key}"}
    with httpx.Client(headers=headers, verify=tls.client_context(home)) as client:
        assert client.post(url).status_code == 404
        os.kill(daemon.health(home)["pid"], signal.SIGKILL)
        _, started = daemon.start(own_home)
        assert started
        body = {"input_data": {"input_string": [{"role": "user", "content": "again"}], "parameters": {}}}
        answer = client.post(url, json=body, timeout=60)
    assert (answer.status_code, answer.headers["azureml-model-deployment"]) == (200, "blue")
    assert answer.json()["output"] == "again"
