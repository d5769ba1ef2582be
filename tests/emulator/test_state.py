"""Nothing that was acknowledged is lost, whenever the emulator is killed; two emulators know nothing of each other."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from azure.ai.ml.entities import AmlCompute
from azure.identity import DefaultAzureCredential

from mlops.emulator import daemon, tls
from mlops.emulator.context import WORKSPACE
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION
from mlops.emulator.home import WORKSPACE as NAME
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home

    Connect = Callable[[Home], MLClient]
    Write = tuple[str, dict[str, Any]]

_ROUNDS = 5
_ENDPOINTS = 20  # in each round; a region takes a hundred
_WORKSPACE = WORKSPACE.format(subscription=SUBSCRIPTION, group=RESOURCE_GROUP, workspace=NAME)
_ENDED = {"Completed", "Failed", "Canceled"}


def _writes(round_: int) -> Iterator[Write]:
    """Yield what to PUT: clusters, assets, endpoints without deployments, and jobs."""
    cluster = {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2"}}
    environment = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"
    job = {"jobType": "Command", "command": "true", "environmentId": environment}
    for number in range(1000):
        name = f"r{round_}-{number}"
        yield f"computes/{name}", {"properties": cluster}
        if number < _ENDPOINTS:
            yield f"onlineEndpoints/{name}", {"location": "local", "properties": {"authMode": "Key"}}
        yield f"data/{name}/versions/1", {"properties": {"dataUri": "azureml://x", "dataType": "uri_folder"}}
        if number == round_ == 0:
            yield f"jobs/{name}", {"properties": job}


def _write_until_killed(home: Home, client: httpx.Client, round_: int) -> tuple[dict[str, int], Write]:
    """Write without pause; return the status of each write that was answered, and the one that was not."""
    answered: dict[str, int] = {}
    for path, body in _writes(round_):
        try:
            answered[path] = client.put(f"{home.url}{_WORKSPACE}/{path}", json=body).status_code
        except httpx.TransportError:
            break
    return answered, (path, body)


def _client(home: Home) -> httpx.Client:
    token = DefaultAzureCredential().get_token(f"{home.url}/.default").token
    return httpx.Client(verify=tls.client_context(home), headers={"Authorization": f"Bearer {token}"}, timeout=30)


def _pid(home: Home) -> int:
    answer = daemon.health(home)
    assert answer is not None
    return int(answer["pid"])


def test_nothing_acknowledged_is_lost_whenever_it_is_killed(own_home: Path, connect: Connect) -> None:
    """Killed again and again amid writes, at random moments, it comes back with all that it had acknowledged.

    What it was cut off from can be written again: no half of it blocks its name.
    """
    moments, acknowledged = random.Random(0), dict[str, int]()  # noqa: S311 - repeatable on purpose
    home, _ = daemon.start(own_home)
    connect(home)
    for round_ in range(_ROUNDS):
        pid = _pid(home)
        killer = threading.Timer(moments.uniform(0, 0.7), os.kill, (pid, signal.SIGKILL))
        with _client(home) as client:
            killer.start()
            answered, (path, body) = _write_until_killed(home, client, round_)
        killer.join()
        _, started = daemon.start(own_home)
        assert started
        with _client(home) as client:
            answered[path] = client.put(f"{home.url}{_WORKSPACE}/{path}", json=body).status_code
        acknowledged |= answered
    assert set(acknowledged.values()) <= {200, 201}
    with _client(home) as client:
        for path in acknowledged:
            document = client.get(f"{home.url}{_WORKSPACE}/{path}").json()
            assert document["properties"].get("provisioningState", "Succeeded") == "Succeeded", path
            if path.startswith("jobs/"):
                wait_for(partial(_has_ended, client, f"{home.url}{_WORKSPACE}/{path}"))


def _has_ended(client: httpx.Client, job: str) -> bool:
    return client.get(job).json()["properties"]["status"] in _ENDED


def test_two_emulators_stand_side_by_side(tmp_path: Path, connect: Connect) -> None:
    """Two homes have their own ports, authorities, secrets and resources; a token of one opens nothing in the other."""
    first, _ = daemon.start(tmp_path / "first")
    second, _ = daemon.start(tmp_path / "second")
    try:
        connect(first).compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
        with _client(first) as client:
            token = client.headers["Authorization"]
        assert [compute.name for compute in connect(second).compute.list()] == []
        url = f"{second.url}{_WORKSPACE}/computes/cpu"
        reply = httpx.get(url, headers={"Authorization": token}, verify=tls.client_context(second))
        assert reply.status_code == 401
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(second.url, verify=tls.client_context(first))
    finally:
        daemon.stop(first)
        daemon.stop(second)


def test_a_home_deleted_in_use_is_said_in_a_sentence(own_home: Path) -> None:
    """When its folder is deleted, the emulator says so, ends, and leaves no traceback; so does every command."""
    args = [sys.executable, "-m", "mlops.emulator"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*args, "serve", "--home", str(own_home)], stdout=pipe, stderr=pipe, text=True) as served:
        assert served.stdout
        assert "Azure ML emulator at" in served.stdout.readline()
        home = daemon.open_home(own_home)
        wait_for(lambda: daemon.health(home))
        shutil.rmtree(own_home)
        said, errors = served.communicate(timeout=30)
    assert f"The folder {own_home} was deleted" in said
    assert errors == ""
    for command in ("status", "stop", "env", "reset", "logs"):
        outcome = subprocess.run([*args, command, "--home", str(own_home)], capture_output=True, text=True, check=False)
        assert outcome.returncode == 2
        assert outcome.stderr.startswith(f"There is no emulator in {own_home}")
        assert "Traceback" not in outcome.stderr
    assert not own_home.exists()


def test_a_request_to_a_deleted_home_is_answered(own_home: Path, connect: Connect) -> None:
    """Until the emulator has noticed and is gone, requests get 503 and the reason, or what it still knows."""
    home, _ = daemon.start(own_home)
    connect(home)
    process = psutil.Process(_pid(home))
    body = {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2"}}}
    replies = []
    with _client(home) as client, suppress(httpx.TransportError):
        assert client.get(f"{home.url}{_WORKSPACE}/computes").status_code == 200
        shutil.rmtree(own_home)
        while True:
            replies.append(client.put(f"{home.url}{_WORKSPACE}/computes/cpu", json=body))
    for reply in replies:
        assert reply.status_code in {200, 201, 401, 503}, reply.text
        assert reply.status_code != 503 or "was deleted" in reply.json()["error"]["message"]
    assert psutil.wait_procs([process], timeout=30)[1] == []
