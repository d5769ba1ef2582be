"""Command jobs: hello world, environment variables, inputs, outputs, code, and what they leave behind."""

from __future__ import annotations

from pathlib import Path

from azure.ai.ml import Input, Output, command
from azure.ai.ml.entities import AmlCompute, Environment
from client import ml_client

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
cluster = AmlCompute(name="cpu-cluster", size="Standard_DS3_v2", min_instances=0, max_instances=4)
ml_client.compute.begin_create_or_update(cluster).result()


def run(**what: object) -> str:
    """Run a job to its end, and return its name."""
    job = ml_client.jobs.create_or_update(command(environment=Environment(image=IMAGE), compute="cpu-cluster", **what))
    ml_client.jobs.stream(job.name)
    assert ml_client.jobs.get(job.name).status == "Completed"
    return str(job.name)


print("web view:", ml_client.jobs.get(run(command="echo hello world", experiment_name="hello")).studio_url)

name = run(command="echo $hello_env_var", environment_variables={"hello_env_var": "hello variable"})
ml_client.jobs.download(name, download_path="logs", all=True)
logs = "".join(path.read_text() for path in Path("logs").rglob("std_log.txt"))
assert "hello variable" in logs, logs

name = run(
    command="echo ${{inputs.hello_string}} && echo ${{inputs.hello_number}}",
    inputs={"hello_string": "hello literal", "hello_number": 42},
)

Path("data").mkdir()
Path("data/iris.csv").write_text("5.1,3.5,setosa\n4.9,3.0,setosa\n")
Path("src").mkdir()
Path("src/head.py").write_text("import sys\nprint(open(sys.argv[1]).readline().strip())\n")
name = run(
    command="python head.py ${{inputs.iris_csv}} | tee ${{outputs.folder}}/first.txt ./outputs/first.txt",
    code="src",
    inputs={"iris_csv": Input(type="uri_file", path="data/iris.csv", mode="ro_mount")},
    outputs={"folder": Output(type="uri_folder", mode="rw_mount")},
)
ml_client.jobs.download(name, download_path="got", output_name="folder")
ml_client.jobs.download(name, download_path="artifacts")
assert Path("got/named-outputs/folder/first.txt").read_text().strip() == "5.1,3.5,setosa"
assert list(Path("artifacts").rglob("first.txt"))
print("done")
