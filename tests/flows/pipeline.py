"""A pipeline of three local components, then the same ones registered and taken at `@latest`."""

from __future__ import annotations

from pathlib import Path

from azure.ai.ml import Input, load_component
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import AmlCompute
from client import ml_client

components = Path(__file__).parent / "components"
cluster = AmlCompute(name="cpu-cluster", size="Standard_DS3_v2", min_instances=0, max_instances=4)
ml_client.compute.begin_create_or_update(cluster).result()
Path("data").mkdir()
Path("data/data.txt").write_text("one\ntwo\n")


def run(train: object, score: object, evaluate: object) -> str:
    """Run the three as a pipeline; return the number of lines that the last one counted."""

    @pipeline(default_compute="cpu-cluster", description="train, score, evaluate")
    def train_score_evaluate(pipeline_input_data) -> dict[str, object]:
        """Wire the outputs of each to the inputs of the next."""
        train_step = train(training_data=pipeline_input_data, max_epochs=5, learning_rate=0.1)
        score_step = score(model_input=train_step.outputs.model_output, test_data=pipeline_input_data)
        evaluate_step = evaluate(scoring_result=score_step.outputs.score_output)
        return {"trained": train_step.outputs.model_output, "report": evaluate_step.outputs.eval_output}

    job = train_score_evaluate(Input(type="uri_folder", path="data"))
    job = ml_client.jobs.create_or_update(job, experiment_name="pipeline_samples")
    ml_client.jobs.stream(job.name)
    assert ml_client.jobs.get(job.name).status == "Completed"
    steps = {step.display_name: step.status for step in ml_client.jobs.list(parent_job_name=job.name)}
    assert steps == dict.fromkeys(("train_step", "score_step", "evaluate_step"), "Completed"), steps
    ml_client.jobs.download(job.name, download_path=job.name, output_name="report")
    return Path(job.name, "named-outputs", "report", "lines.txt").read_text().strip()


def load() -> list[object]:
    """Read the components from their files."""
    return [load_component(components / f"{name}.yml") for name in ("train", "score", "evaluate")]


assert run(*load()) == "5"
for component in load():
    registered = ml_client.components.create_or_update(component)
    print("registered", registered.name, registered.version)
latest = [ml_client.components.get(component.name, label="latest") for component in load()]
assert run(*latest) == "5"
print("done")
