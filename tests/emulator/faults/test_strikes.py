"""Faults that strike jobs, sign-in and quota do there what happens on Azure."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import (
    AmlCompute,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
)
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from mlops.emulator import daemon
from mlops.emulator.pytest_plugin import Faults
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home

_ECHO = Path(__file__).parents[1] / "models/echo"
# The first attempt waits to be preempted; the second finds the mark of the first, as a checkpoint.
_COMMAND = "if [ -e {mark} ]; then echo resumed; else touch {mark}; sleep 300; fi"


def test_a_preempted_job_starts_again(
    ml: MLClient, faults: Faults, unique: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job whose machine is taken away is queued, starts again under its name, and may take up where it was."""
    environment = Environment(name=unique, image="ubuntu")
    mark = tmp_path / "mark"
    job = command(command=_COMMAND.format(mark=mark), name=unique, environment=environment)
    ml.jobs.create_or_update(job)
    wait_for(mark.exists)
    fault = faults.add("preemption", job=unique)
    wait_for(lambda: ml.jobs.get(unique).status in {"Completed", "Failed"})
    assert ml.jobs.get(unique).status == "Completed"
    assert {each["id"]: each["hits"] for each in faults.list()}[fault["id"]] == 1
    capsys.readouterr()
    ml.jobs.stream(unique)
    ml.jobs.download(unique, download_path=tmp_path / "logs", all=True)
    written = "\n".join(file.read_text() for file in (tmp_path / "logs").rglob("*.txt"))
    assert "resumed" in written
    assert "preempted: the job is queued again" in written


def test_expired_tokens_are_refused(own_home: Path, connect: Callable[[Home], MLClient]) -> None:
    """A token that is issued expired opens nothing; as soon as the fault is cleared, the next one does."""
    home, _ = daemon.start(own_home)
    with Faults(home).injected("token", lifetime_s=0), pytest.raises(ClientAuthenticationError, match="expir"):
        connect(home).compute.get("any")
    assert list(connect(home).compute.list()) == []


@pytest.mark.xdist_group("endpoints")
def test_quota_may_be_used_up(ml: MLClient, faults: Faults, endpoint: str, unique: str) -> None:
    """Neither clusters nor deployments of an exhausted size can be had; others can."""
    faults.add("quota", size="Standard_F4s_v2")
    with pytest.raises(HttpResponseError, match=r"(?i)quota"):
        ml.compute.begin_create_or_update(AmlCompute(name=unique, size="Standard_F4s_v2")).result()
    ml.compute.begin_create_or_update(AmlCompute(name=unique, size="Standard_DS3_v2")).result()
    with pytest.raises(HttpResponseError, match="OutOfQuota"):
        _deploy(ml, endpoint, "green", size="Standard_F4s_v2")


@pytest.mark.xdist_group("endpoints")
def test_a_write_may_be_displaced(ml: MLClient, faults: Faults, endpoint: str) -> None:
    """A write of an endpoint, or of its deployments, is refused as on Azure when one of higher priority is on."""
    faults.add("canceled", endpoint=endpoint, count=2)
    written = ManagedOnlineEndpoint(name=endpoint, tags={"a": "b"})
    for write in (lambda: ml.online_endpoints.begin_create_or_update(written), lambda: _deploy(ml, endpoint, "blue")):
        with pytest.raises(HttpResponseError, match="OperationCanceled") as refusal:
            write()
        assert refusal.value.status_code == 409
    assert ml.online_endpoints.begin_create_or_update(written).result().tags == {"a": "b"}


@pytest.mark.xdist_group("endpoints")
def test_deployments_err_slow_down_and_crash(ml: MLClient, faults: Faults, endpoint: str) -> None:
    """A deployment's faults look to clients like a real one's: 424 with the cause, 408, and 424 until it is back."""
    _deploy(ml, endpoint, "blue")
    here = {"endpoint": endpoint, "deployment": "blue"}
    assert _score(ml, endpoint, "blue").status_code == 200
    faults.add("model-error", **here, status=503, count=1)
    reply = _score(ml, endpoint, "blue")
    assert (reply.status_code, reply.headers["ms-azureml-model-error-statuscode"]) == (424, "503")
    faults.add("slow", **here, latency_s=60, count=1)
    assert _score(ml, endpoint, "blue").status_code == 408
    faults.add("crash", **here)
    assert _score(ml, endpoint, "blue").status_code == 424
    wait_for(lambda: _score(ml, endpoint, "blue").status_code == 200)


@pytest.mark.xdist_group("endpoints")
def test_traffic_takes_effect_late(ml: MLClient, faults: Faults, endpoint: str) -> None:
    """A write of traffic succeeds, and has no effect on the data plane before the delay is over."""
    _deploy(ml, endpoint, "blue")
    faults.add("propagation", endpoint=endpoint, delay_s=3)
    written = ml.online_endpoints.get(endpoint)
    written.traffic = {"blue": 100}
    ml.online_endpoints.begin_create_or_update(written).result()
    assert ml.online_endpoints.get(endpoint).traffic == {"blue": 100}
    assert _score(ml, endpoint).status_code == 404
    wait_for(lambda: _score(ml, endpoint).status_code == 200)


@pytest.fixture
def endpoint(ml: MLClient, unique: str) -> Iterator[str]:
    """Return the name of an endpoint of the test's own."""
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=unique)).result()
    yield unique
    ml.online_endpoints.begin_delete(unique).result()


def _deploy(ml: MLClient, endpoint: str, name: str, *, size: str = "Standard_DS3_v2") -> None:
    model = ml.models.create_or_update(Model(name=f"{endpoint}-echo", path=_ECHO, type="mlflow_model"))
    settings = OnlineRequestSettings(request_timeout_ms=1000)
    deployment = ManagedOnlineDeployment(
        name=name, endpoint_name=endpoint, model=model, instance_type=size, instance_count=1, request_settings=settings
    )
    ml.online_deployments.begin_create_or_update(deployment).result()


def _score(ml: MLClient, endpoint: str, deployment: str | None = None) -> httpx.Response:
    url, key = ml.online_endpoints.get(endpoint).scoring_uri, ml.online_endpoints.get_keys(endpoint).primary_key
    headers = {"Authorization": f"Bearer {key}"} | ({"azureml-model-deployment": deployment} if deployment else {})
    context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    return httpx.post(str(url), json={"input_data": ["hello"]}, headers=headers, verify=context, timeout=30)
