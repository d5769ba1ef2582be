"""What the SDK sends to an emulator when everything is used once."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

from mlops.emulator import daemon
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Home
from mlops.emulator.online.containers import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from azure.ai.ml import MLClient


def record(home: Home) -> dict[str, Any]:
    """Return the bodies that the SDK sends, by method and kinds in the path, its token and an endpoint's address."""
    # What the SDK sends only while it follows a running job.
    seen: dict[str, Any] = {"POST rundata": {"runId": "known"}, "PATCH runs": {"tags": {"a": "b"}, "hidden": False}}
    send = requests.Session.send

    def watch(session: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        if request.headers.get("Authorization"):
            seen["token"] = request.headers["Authorization"]
        with suppress(TypeError, ValueError):
            seen[f"{request.method} {shape(urlsplit(request.url or '').path)}"] = json.loads(request.body or "")
        return send(session, request, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "send", watch)
        for name, value in daemon.environment(home).items():
            patch.setenv(name, value)
        seen["scoring"] = _work(home)
    return seen


def _work(home: Home) -> str:
    """Use everything once; return the address of an endpoint."""
    from azure.ai.ml import Input, MLClient, command, entities
    from azure.core.exceptions import HttpResponseError
    from azure.identity import DefaultAzureCredential

    ml = MLClient(DefaultAzureCredential(), SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE)
    file = home.root / "file" / "file.py"
    file.parent.mkdir()
    file.write_text("text")
    ml.compute.begin_create_or_update(entities.AmlCompute(name="known", size="Standard_DS3_v2")).result()
    ml.data.create_or_update(entities.Data(name="known", version="1", path=str(file), type="uri_file"))
    model = ml.models.create_or_update(entities.Model(name="known", version="1", path=str(file)))
    environment = ml.environments.create_or_update(entities.Environment(name="known", version="1", image="ubuntu"))
    given = {"x": "1", "data": Input(type="uri_file", path="azureml:known:1")}
    text = "true ${{inputs.data}}"
    job = command(command=text, name="known", compute="known", environment=environment, inputs=given)
    ml.jobs.create_or_update(job)
    endpoint = ml.online_endpoints.begin_create_or_update(entities.ManagedOnlineEndpoint(name="known")).result()
    for work in _refusable(ml, home, _deployment(model, environment, file)):
        with suppress(HttpResponseError):
            work()
    return str(endpoint.scoring_uri)


def _deployment(model: Any, environment: Any, script: Path) -> Any:
    """Return a deployment of which everything is said."""
    from azure.ai.ml import entities

    probe = entities.ProbeSettings(initial_delay=10, period=10, timeout=2, success_threshold=1, failure_threshold=30)
    return entities.ManagedOnlineDeployment(
        name="known",
        endpoint_name="known",
        model=model,
        environment=environment,
        code_configuration=entities.CodeConfiguration(code=str(script.parent), scoring_script=script.name),
        environment_variables={"A": "1"},
        instance_type="Standard_DS3_v2",
        instance_count=1,
        scale_settings=entities.DefaultScaleSettings(),
        request_settings=entities.OnlineRequestSettings(request_timeout_ms=3000),
        liveness_probe=probe,
        readiness_probe=probe,
    )


def _refusable(ml: MLClient, home: Home, deployment: Any) -> Iterator[Callable[[], object]]:
    from azure.ai.ml import entities

    # None of the deployments that are sent spoiled is to start a process: this one exists and never can.
    fault = {"kind": "operation", "path": "*/deployments/*", "method": "PUT"}
    yield lambda: daemon.request(home, "/_emulator/faults", method="POST", body=fault)
    yield lambda: ml.online_deployments.begin_create_or_update(deployment).result()
    log = home.deployments / "known" / "known" / LOG
    yield lambda: (log.parent.mkdir(parents=True, exist_ok=True), log.write_text("a line\n"))
    yield lambda: ml.online_deployments.get_logs("known", "known", 10)
    yield lambda: ml.online_endpoints.begin_regenerate_keys("known", key_type="secondary").result()
    account = entities.AccountKeyConfiguration(account_key="key")
    store = {"name": "known", "account_name": "known", "container_name": "known"}
    yield lambda: ml.datastores.create_or_update(entities.AzureBlobDatastore(**store, credentials=account))
    yield lambda: list(ml.jobs.list())
    yield lambda: ml.jobs.begin_cancel("known").result()


def shape(path: str) -> str:
    """Return the kinds of resource that a path names, without their names."""
    after = path.partition("/workspaces/")[2] or path
    words = [part for part in parts(after)[1:] if not part.startswith("{")]
    kinds = {"jobs", "computes", "data", "models", "environments", "codes", "components", "versions", "onlineEndpoints"}
    kinds |= {"deployments", "listKeys", "regenerateKeys", "getLogs", "datastores", "listSecrets", "rundata", "runs"}
    return "/".join(word for word in words if word in kinds)


def parts(route: str) -> list[str]:
    """Return the parts of a route between its slashes, those inside `{name:…}` left alone."""
    found, depth = [""], 0
    for letter in route:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "/" and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found
