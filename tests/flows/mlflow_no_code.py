"""Deploy an MLflow model without a scoring script or an environment."""

from __future__ import annotations

import json
import time
from pathlib import Path

import mlflow.sklearn
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from client import ml_client
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

data = load_diabetes(as_frame=True)
mlflow.sklearn.save_model(Ridge().fit(data.data, data.target), "model", input_example=data.data.head(2))
columns = list(data.data.columns)
request = {"input_data": {"columns": columns, "index": [0, 1], "data": data.data.head(2).values.tolist()}}
Path("request.json").write_text(json.dumps(request))

name = f"endpoint-{time.time_ns() % 10**12}"
ml_client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name, auth_mode="key")).result()
model = ml_client.models.create_or_update(
    Model(name="sklearn-diabetes-mlflow", path="model", type=AssetTypes.MLFLOW_MODEL, description="diabetes")
)
print("model:", model.name, model.version, sorted(model.flavors))
blue = ManagedOnlineDeployment(
    name="blue", endpoint_name=name, model=model, instance_type="Standard_F4s_v2", instance_count=1
)
ml_client.online_deployments.begin_create_or_update(blue).result()
endpoint = ml_client.online_endpoints.get(name)
endpoint.traffic = {"blue": 100}
ml_client.begin_create_or_update(endpoint).result()
answer = json.loads(ml_client.online_endpoints.invoke(endpoint_name=name, request_file="request.json"))
print("answer:", answer)
assert len(answer) == len(request["input_data"]["data"])
ml_client.online_endpoints.begin_delete(name=name).result()
print("deleted")
