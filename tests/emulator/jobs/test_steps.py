"""The steps of pipelines: their inputs, what a node says about its component, and kinds that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

    from tests.emulator.conftest import Jobs


def test_optional_sections_follow_the_inputs(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A `$[[…]]` section of a command is there if its optional input was given, and gone if not."""
    from azure.ai.ml import Input, Output, dsl

    echo = jobs.command(
        "echo always $[[--given ${{inputs.given}}]] $[[--left ${{inputs.left}}]] > ${{outputs.out}}/text",
        inputs={"given": Input(type="string", optional=True), "left": Input(type="string", optional=True)},
        outputs={"out": Output(type="uri_folder")},
    )

    @dsl.pipeline
    def flow() -> dict[str, Output]:
        return {"result": echo(given="yes").outputs.out}

    name = jobs.start(flow())
    jobs.end(name)
    ml.jobs.download(name, output_name="result", download_path=tmp_path)
    assert (tmp_path / "named-outputs/result/text").read_text() == "always --given yes\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [({"mode": "sideways"}, "allowed values: up, down"), ({"mode": "up", "level": 11}, "must be between 1 and 10")],
)
def test_wrong_values_are_refused(jobs: Jobs, given: dict[str, Any], message: str) -> None:
    """A value outside the component's list or range is refused at submission."""
    from azure.ai.ml import Input, dsl

    move = jobs.command(
        "true ${{inputs.mode}} ${{inputs.level}}",
        inputs={
            "mode": Input(type="string", enum=["up", "down"]),
            "level": Input(type="integer", default=5, min=1, max=10),
        },
    )

    @dsl.pipeline
    def flow() -> None:
        move(**given)

    with pytest.raises(HttpResponseError, match=message):
        jobs.start(flow())


@pytest.mark.parametrize(("go_on", "expected"), [(True, {"late": "Completed"}), (False, {})])
def test_optional_input_of_a_failed_step(jobs: Jobs, go_on: bool, expected: dict[str, str]) -> None:
    """A step goes on without an optional input whose step failed, if the pipeline's settings say so."""
    from azure.ai.ml import Input, Output, dsl

    fail = jobs.command("ls ${{outputs.out}}; exit 1", outputs={"out": Output(type="uri_folder")})
    follow = jobs.command("test -z '$[[${{inputs.data}}]]'", inputs={"data": Input(type="uri_folder", optional=True)})

    @dsl.pipeline
    def flow() -> None:
        early = fail()
        late = follow(data=early.outputs.out)  # noqa: F841 - its name is the step's

    name = jobs.start(flow(), continue_run_on_failed_optional_input=go_on)
    assert jobs.end(name).status == "Failed"
    assert jobs.steps(name) == {"early": "Failed", **expected}


def test_step_runs_as_its_node_says(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A step's own processes, variables and time limit replace those of its component."""
    from azure.ai.ml import PyTorchDistribution, dsl
    from azure.ai.ml.entities import CommandJobLimits, JobResourceConfiguration

    rank = jobs.command("echo rank $RANK of $WORLD_SIZE: $COLOR", environment_variables={"COLOR": "blue"})
    sleep = jobs.command("sleep 600")

    @dsl.pipeline
    def flow() -> None:
        many = rank()
        many.distribution = PyTorchDistribution(process_count_per_instance=2)
        many.resources = JobResourceConfiguration(instance_count=2)
        many.environment_variables = {"COLOR": "green"}
        late = sleep()
        late.limits = CommandJobLimits(timeout=1)

    name = jobs.start(flow())
    assert jobs.end(name).status == "Failed"
    assert jobs.steps(name) == {"many": "Completed", "late": "Canceled"}
    (many,) = [step for step in ml.jobs.list(parent_job_name=name) if step.display_name == "many"]
    ml.jobs.download(many.name, download_path=tmp_path)
    log = tmp_path / "artifacts/user_logs/std_log_process_3.txt"
    assert log.read_text() == "rank 3 of 4: green\n"


@pytest.mark.parametrize("kind", ["parallel", "spark", "data_transfer"])
def test_kinds_of_steps_that_are_not_emulated(jobs: Jobs, kind: str) -> None:
    """A step that the emulator cannot run is refused at submission, by a sentence that names its kind."""
    from azure.ai.ml import Input, Output, dsl, spark
    from azure.ai.ml.data_transfer import copy_data
    from azure.ai.ml.parallel import RunFunction, parallel_run_function

    data = Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/")
    makers: dict[str, Any] = {
        "parallel": lambda: parallel_run_function(
            name="p",
            inputs={"data": data},
            outputs={"out": Output(type="uri_folder")},
            input_data="${{inputs.data}}",
            instance_count=1,
            mini_batch_size="1",
            task=RunFunction(code=__file__, entry_script="x.py", environment=jobs.environment),
        ),
        "spark": lambda: spark(
            code=__file__.rpartition("/")[0],
            entry={"file": "test_runs.py"},
            driver_cores=1,
            driver_memory="2g",
            executor_cores=2,
            executor_memory="2g",
            executor_instances=2,
            resources={"instance_type": "Standard_E8S_V3", "runtime_version": "3.4"},
        ),
        "data_transfer": lambda: copy_data(
            inputs={"data": data},
            outputs={"out": Output(type="uri_folder")},
            data_copy_mode="merge_with_overwrite",
        ),
    }
    step = makers[kind]()

    @dsl.pipeline
    def flow() -> None:
        step()

    with pytest.raises(HttpResponseError, match=f"jobs of type '{kind}' are not emulated"):
        jobs.start(flow())
