"""Where the steps of a job run: each on the machine that the settings ask for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError

from mlops.compute.cluster import ClusterSettings
from mlops.workspace.assets import Component, FoundationModel, own_component
from mlops.workspace.client import Workspace
from mlops.workspace.submissions import ComponentRequest, FinetuningRequest, submit_component, submit_finetuning

SPECS = Path(__file__).parent.parent.parent / "pipelines" / "specs"
MIRROR = "https://mirror.example.com"
SIZE = "Standard_NC24ads_A100_v4"
CLUSTER = ClusterSettings(name="gpu", size=SIZE, tier="dedicated", max_instances=4, idle_s=120, num_nodes=2)
SERVERLESS = CLUSTER.model_copy(update={"name": "serverless"})


class Jobs:
    """The jobs of a workspace that has none yet, and keeps what is submitted."""

    submitted: Any = None

    def get(self, name: str) -> None:
        """Find nothing."""
        raise ResourceNotFoundError(name)

    def create_or_update(self, job: Any, experiment_name: str) -> None:
        """Keep a job."""
        self.submitted = (job, experiment_name)


@pytest.fixture
def kept() -> Jobs:
    """Return the jobs of a workspace."""
    return Jobs()


def workspace(kept: Jobs) -> Workspace:
    """Return a workspace that has nothing but jobs."""
    return Workspace(SimpleNamespace(jobs=kept), None)  # type: ignore[arg-type]  # of the client, only the jobs


@pytest.mark.parametrize(
    ("cluster", "compute", "instance_type"), [(CLUSTER, "gpu", None), (SERVERLESS, None, SIZE)], ids=["own", "lent"]
)
def test_a_component_of_ours_is_given_one_node_of_the_size(
    kept: Jobs, cluster: ClusterSettings, compute: str | None, instance_type: str | None
) -> None:
    """A cluster has its own size; what Azure ML lends must be told one, or it would be any."""
    inputs = {"settings": ("uri_file", "azureml:settings:1")}
    request = ComponentRequest("prepare-x-1f2e", "prepare x", "data", cluster)
    submit_component(workspace(kept), SPECS / "prepare.yml", inputs, request)
    job, experiment = kept.submitted
    ((name, step),) = job.jobs.items()
    assert (job.name, job.display_name, name, experiment) == ("prepare-x-1f2e", "prepare x", "prepare", "data")
    assert step.compute == compute
    assert (step.resources.instance_type, step.resources.instance_count) == (instance_type, 1)


@pytest.mark.parametrize(("mirror", "told"), [(MIRROR, {"HF_ENDPOINT": MIRROR}), ("", {})])
def test_a_job_is_told_of_a_mirror_of_the_hub(
    kept: Jobs, monkeypatch: pytest.MonkeyPatch, mirror: str, told: dict[str, str]
) -> None:
    """What is read here from a mirror is read there from it; an empty variable names none."""
    monkeypatch.setenv("HF_ENDPOINT", mirror)
    inputs = {"settings": ("uri_file", "azureml:settings:1")}
    submit_component(workspace(kept), SPECS / "prepare.yml", inputs, ComponentRequest("x", "x", "x", CLUSTER))
    (step,) = kept.submitted[0].jobs.values()
    assert step.environment_variables == told


@pytest.mark.parametrize(
    ("cluster", "compute", "instance_type"), [(CLUSTER, "gpu", None), (SERVERLESS, None, SIZE)], ids=["own", "lent"]
)
def test_our_training_is_given_all_its_nodes(
    kept: Jobs, cluster: ClusterSettings, compute: str | None, instance_type: str | None
) -> None:
    """The step of our own component is placed by the pipeline, for it has no inputs to say where."""
    component = own_component(SPECS / "finetune.yml", [])
    submit_finetuning(workspace(kept), component, MODEL, request(cluster), force=False)
    (step,) = kept.submitted[0].jobs.values()
    assert step.compute == compute
    assert (step.resources.instance_type, step.resources.instance_count) == (instance_type, 2)


class Pipeline:
    """A registry's pipeline, with the inputs that place its steps; what it is given is kept, our training runs."""

    type = "pipeline"

    def __init__(self) -> None:
        """Have been given nothing."""
        self.given: dict[str, Any] = {}

    def __call__(self, **given: Any) -> Any:
        """Keep what is given."""
        self.given = given
        return own_component(SPECS / "finetune.yml", []).callable()


@pytest.mark.parametrize(
    ("cluster", "compute", "instance_type"), [(CLUSTER, "gpu", None), (SERVERLESS, "serverless", SIZE)]
)
def test_a_registrys_training_is_told_where_each_step_runs(
    kept: Jobs, cluster: ClusterSettings, compute: str, instance_type: str | None
) -> None:
    """Its own inputs place its steps: all of them on the cluster, or lent ones that need a GPU with their size."""
    computes = [f"compute_{step}" for step in ("model_import", "preprocess", "finetune", "model_evaluation")]
    sizes = ["instance_type_finetune", "instance_type_model_evaluation"]
    inner = Pipeline()
    component = Component("azureml:chat:1", "chat", "1", dict.fromkeys(computes + sizes), inner)
    submit_finetuning(workspace(kept), component, MODEL, request(cluster), force=False)
    assert [inner.given[name] for name in computes] == [compute] * 4
    assert [inner.given.get(name) for name in sizes] == [instance_type] * 2


MODEL = FoundationModel("azureml:phi:1", "phi", "1", "mlflow_model", {}, {}, is_archived=False)


def request(cluster: ClusterSettings) -> FinetuningRequest:
    """Return a request for two nodes of one GPU each."""
    uris = {f"{split}_uri": f"azureml:{split}:1" for split in ("train", "validation", "test")}
    what = {"name": "job", "display_name": "job", "experiment": "finetune", "parameters": {}, "tags": {}}
    return FinetuningRequest(cluster=cluster, num_gpus=1, alignment=None, **uris, **what)  # type: ignore[arg-type]
