"""Roll a second model out: blue, scaled; green beside it, mirrored, 10 %, 100 %; blue deleted."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import httpx
import joblib
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from client import ml_client
from sklearn.dummy import DummyRegressor

here = Path(__file__).parent
name = f"endpoint-{time.time_ns() % 10**12}"
request = Path("request.json")
request.write_text(json.dumps({"data": [[1, 2], [3, 4]]}))


def deployment(color: str, constant: float, instance_type: str) -> ManagedOnlineDeployment:
    """Describe a deployment whose model answers one number."""
    Path(color).mkdir()
    joblib.dump(DummyRegressor(strategy="constant", constant=constant).fit([[0, 0]], [0.0]), f"{color}/model.joblib")
    return ManagedOnlineDeployment(
        name=color,
        endpoint_name=name,
        model=Model(path=f"{color}/model.joblib"),
        environment=Environment(
            conda_file=str(here / "score" / "conda.yml"),
            image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest",
        ),
        code_configuration=CodeConfiguration(code=str(here / "score"), scoring_script="score.py"),
        instance_type=instance_type,
        instance_count=1,
    )


def invoke(color: str | None = None) -> list[float]:
    """Ask the endpoint, or one of its deployments."""
    pin = {"deployment_name": color} if color else {}
    return json.loads(ml_client.online_endpoints.invoke(endpoint_name=name, request_file=str(request), **pin))


endpoint = ManagedOnlineEndpoint(name=name, description="a sample endpoint", auth_mode="key", tags={"foo": "bar"})
ml_client.begin_create_or_update(endpoint).result()
ml_client.begin_create_or_update(deployment("blue", 1.0, "Standard_DS2_v2")).result()
endpoint.traffic = {"blue": 100}
ml_client.begin_create_or_update(endpoint).result()
assert invoke() == [1.0, 1.0]

blue = ml_client.online_deployments.get(name="blue", endpoint_name=name)
blue.instance_count = 2
ml_client.online_deployments.begin_create_or_update(blue).result()
endpoint = ml_client.online_endpoints.get(name=name)
print("traffic:", endpoint.traffic, "at", endpoint.scoring_uri)

ml_client.begin_create_or_update(deployment("green", 2.0, "Standard_F2s_v2")).result()
assert invoke("green") == [2.0, 2.0]

endpoint.mirror_traffic = {"green": 10}
ml_client.begin_create_or_update(endpoint).result()
key = ml_client.online_endpoints.get_keys(name).primary_key
with httpx.Client(headers={"Authorization": f"Bearer {key}"}) as client:
    for _ in range(20):
        assert client.post(endpoint.scoring_uri, content=request.read_bytes()).json() == [1.0, 1.0]
print("green saw:", ml_client.online_deployments.get_logs(name="green", endpoint_name=name, lines=50).count("Request"))
endpoint.mirror_traffic = {"green": 0}
ml_client.begin_create_or_update(endpoint).result()

endpoint.traffic = {"blue": 90, "green": 10}
ml_client.begin_create_or_update(endpoint).result()
with httpx.Client(headers={"Authorization": f"Bearer {key}"}) as client:
    answers = [client.post(endpoint.scoring_uri, content=request.read_bytes()) for _ in range(100)]
print("answered by:", Counter(answer.headers["azureml-model-deployment"] for answer in answers))
assert all(answer.status_code == httpx.codes.OK for answer in answers)

endpoint.traffic = {"blue": 0, "green": 100}
ml_client.begin_create_or_update(endpoint).result()
ml_client.online_deployments.begin_delete(name="blue", endpoint_name=name).result()
assert [left.name for left in ml_client.online_deployments.list(endpoint_name=name)] == ["green"]
ml_client.online_endpoints.begin_delete(name=name).result()
print("deleted")
