"""Deploy a scikit-learn model with a scoring script of one's own, ask it, read its logs, delete it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import joblib
from azure.ai.ml.entities import (
    CodeConfiguration,
    Environment,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)
from client import ml_client
from sklearn.linear_model import LinearRegression

here = Path(__file__).parent
joblib.dump(LinearRegression().fit([[0.0, 0.0], [1.0, 1.0], [2.0, 4.0]], [0.0, 3.0, 8.0]), "model.joblib")
Path("request.json").write_text(json.dumps({"data": [[1, 1], [3, 3]]}))

name = f"endpoint-{time.time_ns() % 10**12}"
endpoint = ManagedOnlineEndpoint(name=name, description="a sample endpoint", auth_mode="key", tags={"foo": "bar"})
ml_client.online_endpoints.begin_create_or_update(endpoint).result()

blue = ManagedOnlineDeployment(
    name="blue",
    endpoint_name=name,
    model=Model(path="model.joblib"),
    environment=Environment(
        conda_file=str(here / "score" / "conda.yml"), image="mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
    ),
    code_configuration=CodeConfiguration(code=str(here / "score"), scoring_script="score.py"),
    instance_type="Standard_DS3_v2",
    instance_count=1,
)
ml_client.online_deployments.begin_create_or_update(blue).result()
endpoint.traffic = {"blue": 100}
ml_client.online_endpoints.begin_create_or_update(endpoint).result()

print("status:", ml_client.online_endpoints.get(name).provisioning_state)
answer = ml_client.online_endpoints.invoke(endpoint_name=name, deployment_name="blue", request_file="request.json")
print("answer:", answer)
assert [round(value, 3) for value in json.loads(answer)] == [3.0, 9.0], answer

logs = ml_client.online_deployments.get_logs(name="blue", endpoint_name=name, lines=50)
assert "Init complete" in logs, logs
assert "Request received" in logs, logs
print(
    "storage initializer:",
    ml_client.online_deployments.get_logs(
        name="blue", endpoint_name=name, lines=10, container_type="storage-initializer"
    ),
)
print("key:", len(ml_client.online_endpoints.get_keys(name).primary_key), "characters")
assert name in [found.name for found in ml_client.online_endpoints.list()]
ml_client.online_endpoints.begin_delete(name=name).result()
print("deleted")
