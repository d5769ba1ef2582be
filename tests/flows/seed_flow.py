"""A notebook's fine-tuning flow as a plain script: only the SDK, no word of the emulator and none of this project.

    python seed_flow.py train.jsonl test.jsonl

It is what a team would run against Azure ML; the environment alone decides that it runs against the emulator.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import time
from pathlib import Path

from azure.ai.ml import Input, MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import (
    AmlCompute,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    OnlineRequestSettings,
    ProbeSettings,
)
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

train_file, test_file = sys.argv[1:3]
timestamp = str(int(time.time()))

# 1, 2: sign in; one client for the workspace, one for the registry
try:
    credential = DefaultAzureCredential()
    credential.get_token("https://management.azure.com/.default")
except Exception:  # noqa: BLE001 - as the notebook does
    credential = InteractiveBrowserCredential()
workspace = MLClient(
    credential,
    subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"],
    resource_group_name=os.environ["AZURE_RESOURCE_GROUP"],
    workspace_name=os.environ["AZURE_WORKSPACE_NAME"],
)
registry = MLClient(credential, registry_name="azureml")

# 3, 4: experiment and foundation model
experiment = "chat_completion_Phi-3-mini-4k-instruct"
foundation_model = registry.models.get("Phi-3-mini-4k-instruct", label="latest")
print(f"using model {foundation_model.name}, version {foundation_model.version}, id {foundation_model.id}")

# 5, 6: allow list, cluster, GPUs per node
allowed = [size.lower() for size in ast.literal_eval(foundation_model.tags["finetune_compute_allow_list"])]
cluster_name, cluster_size = "seed-cluster", "Standard_NC24ads_A100_v4"
try:
    compute = workspace.compute.get(cluster_name)
except ResourceNotFoundError:
    wanted = AmlCompute(name=cluster_name, size=cluster_size, tier="LowPriority", max_instances=2)
    compute = workspace.compute.begin_create_or_update(wanted).wait() or workspace.compute.get(cluster_name)
assert compute.provisioning_state.lower() != "failed"
assert compute.size.lower() in allowed
gpus = {size.name.lower(): size.gpus for size in workspace.compute.list_sizes()}[compute.size.lower()]
print(f"{compute.size} has {gpus} GPUs per node")

# 7: data; 8, 9: parameters; 10: the model's own defaults, those that the pipeline takes
component = registry.components.get("chat_completion_pipeline", label="latest")
parameters = {
    "num_train_epochs": 3,
    "per_device_train_batch_size": 1,
    "per_device_eval_batch_size": 1,
    "learning_rate": 5e-6,
    "lr_scheduler_type": "cosine",
    "apply_lora": "true",
    "apply_deepspeed": "true",
    "deepspeed_stage": 2,
}
defaults = ast.literal_eval(foundation_model.tags["model_specific_defaults"])
parameters |= {name: value for name, value in defaults.items() if name in component.inputs}
print(f"parameters: {parameters}")

# 11: display name
batch = int(parameters["per_device_train_batch_size"]) * int(parameters["gradient_accumulation_steps"]) * int(gpus)
display_name = f"{foundation_model.name}-ultrachat-bs{batch}-{parameters['lr_scheduler_type']}-ds2-lora"


# 12, 13: the registry's pipeline, submitted and streamed
@pipeline(name=display_name)
def create_pipeline() -> dict[str, object]:
    """Fine-tune with the registry's component."""
    chat = component(
        mlflow_model_path=foundation_model.id,
        compute_model_import=cluster_name,
        compute_preprocess=cluster_name,
        compute_finetune=cluster_name,
        compute_model_evaluation=cluster_name,
        train_file_path=Input(type="uri_file", path=train_file),
        test_file_path=Input(type="uri_file", path=test_file),
        number_of_gpu_to_use_finetuning=int(gpus),
        **parameters,
    )
    return {"trained_model": chat.outputs.mlflow_model_folder}


pipeline_job = create_pipeline()
pipeline_job.settings.force_rerun = True
pipeline_job.settings.continue_on_step_failure = False
pipeline_job = workspace.jobs.create_or_update(pipeline_job, experiment_name=experiment)
workspace.jobs.stream(pipeline_job.name)
print("outputs:", workspace.jobs.get(pipeline_job.name).outputs)

# 14, 15: register the output
registered = workspace.models.create_or_update(
    Model(
        path=f"azureml://jobs/{pipeline_job.name}/outputs/trained_model",
        type=AssetTypes.MLFLOW_MODEL,
        name=f"{foundation_model.name}-ultrachat-200k".replace("/", "-"),
        version=timestamp,
        description=f"{foundation_model.name} fine-tuned model for chat completion",
    )
)
print(f"registered {registered.name} version {registered.version}")

# 16, 17: endpoint and deployment, all traffic
endpoint_name = f"ultrachat-completion-{timestamp}"
workspace.begin_create_or_update(ManagedOnlineEndpoint(name=endpoint_name, auth_mode="key")).wait()
inference_allowed = ast.literal_eval(foundation_model.tags["inference_compute_allow_list"])
assert cluster_size in inference_allowed
deployment = ManagedOnlineDeployment(
    name="demo",
    endpoint_name=endpoint_name,
    model=registered.id,
    instance_type=cluster_size,
    instance_count=1,
    liveness_probe=ProbeSettings(initial_delay=600),
    request_settings=OnlineRequestSettings(request_timeout_ms=90000),
)
workspace.online_deployments.begin_create_or_update(deployment).wait()
endpoint = workspace.online_endpoints.get(endpoint_name)
endpoint.traffic = {"demo": 100}
workspace.begin_create_or_update(endpoint).result()

# 18: one row of the test data
messages = json.loads(Path(test_file).read_text().splitlines()[0])["messages"][:1]
sampling = {"temperature": 0.6, "top_p": 0.9, "do_sample": True, "max_new_tokens": 200}
sample = Path("sample_score.json")
sample.write_text(json.dumps({"input_data": {"input_string": messages, "parameters": sampling}, "params": {}}))
response = workspace.online_endpoints.invoke(
    endpoint_name=endpoint_name, deployment_name="demo", request_file=str(sample)
)
print("raw response:", response)
assert json.loads(response)["output"].strip()

# 19: delete the endpoint, or billing goes on
workspace.online_endpoints.begin_delete(name=endpoint_name).wait()
print("the endpoint is deleted")
