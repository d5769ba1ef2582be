"""Pipeline jobs: how data flows between steps, what is refused at submission, and how failure spreads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

    from tests.emulator.conftest import Jobs


def test_data_flows_from_step_to_step(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A step reads what another wrote, its own parameters and the pipeline's; the pipeline's output is a step's."""
    from azure.ai.ml import Input, Output, dsl

    write = jobs.command(
        "cat ${{inputs.file}} > ${{outputs.out}}/text; echo ${{inputs.word}} >> ${{outputs.out}}/text",
        inputs={"file": Input(type="uri_file"), "word": Input(type="string")},
        outputs={"out": Output(type="uri_folder")},
    )
    count = jobs.command(
        "cp ${{inputs.data}}/text ${{outputs.out}}; echo ${{inputs.rate}} >> ${{outputs.out}}/text",
        inputs={"data": Input(type="uri_folder"), "rate": Input(type="number", default=0.5)},
        outputs={"out": Output(type="uri_folder")},
    )

    @dsl.pipeline
    def flow(file, word):  # noqa: ANN001, ANN202 - the SDK reads annotations as types of its own
        wrote = write(file=file, word=word)
        counted = count(data=wrote.outputs.out)
        return {"result": counted.outputs.out}

    (tmp_path / "file").write_text("from a file\n")
    name = jobs.start(flow(Input(type="uri_file", path=str(tmp_path / "file")), "word"))
    assert jobs.end(name).status == "Completed"
    assert jobs.steps(name) == {"wrote": "Completed", "counted": "Completed"}
    ml.jobs.download(name, output_name="result", download_path=tmp_path)
    assert (tmp_path / "named-outputs/result/text").read_text() == "from a file\nword\n0.5\n"


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


def test_failure_of_a_step_fails_the_pipeline(ml: MLClient, jobs: Jobs) -> None:
    """A failed step fails the pipeline with the end of the step's log; what waits for it never starts."""
    from azure.ai.ml import Input, Output, dsl
    from azure.ai.ml.exceptions import JobException

    fail = jobs.command("ls ${{outputs.out}}; echo the reason; exit 3", outputs={"out": Output(type="uri_folder")})
    follow = jobs.command("ls ${{inputs.data}}", inputs={"data": Input(type="uri_folder")})

    @dsl.pipeline
    def flow() -> None:
        failing = fail()
        following = follow(data=failing.outputs.out)  # noqa: F841 - its name is the step's

    name = jobs.start(flow(), continue_on_step_failure=False)
    with pytest.raises(JobException, match=r"(?s)Failed nodes: /failing.*status code 3.*the reason"):
        ml.jobs.stream(name)
    assert jobs.steps(name) == {"failing": "Failed"}


@pytest.mark.parametrize(("go_on", "expected"), [(True, "Completed"), (False, "Canceled")])
def test_independent_steps_after_a_failure(jobs: Jobs, tmp_path: Path, go_on: bool, expected: str) -> None:
    """Independent steps go on after a failure if the pipeline's settings say so; else they are canceled."""
    from azure.ai.ml import dsl

    # The other step ends by itself only where it may: it waits for the failure first.
    fail = jobs.command(f"until test -e {tmp_path}/started; do sleep 0.05; done; exit 1")
    wait = jobs.command(f"touch {tmp_path}/started; sleep {1 if go_on else 600}")

    @dsl.pipeline
    def flow() -> None:
        failing = fail()  # noqa: F841
        waiting = wait()  # noqa: F841

    name = jobs.start(flow(), continue_on_step_failure=go_on)
    assert jobs.end(name).status == "Failed"
    assert jobs.steps(name) == {"failing": "Failed", "waiting": expected}


def test_cancel_reaches_the_steps(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A canceled pipeline takes its running steps with it."""
    from azure.ai.ml import dsl

    wait = jobs.command(f"touch {tmp_path}/started; sleep 600")

    @dsl.pipeline
    def flow() -> None:
        waiting = wait()  # noqa: F841

    name = jobs.start(flow())
    while not (tmp_path / "started").exists():
        ml.jobs._runs_operations.get_run_details(name)  # noqa: SLF001 - it waits a little, which jobs.get does not
    ml.jobs.begin_cancel(name).result()
    assert ml.jobs.get(name).status == "Canceled"
    assert jobs.steps(name) == {"waiting": "Canceled"}


def test_pipeline_inside_a_pipeline(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A pipeline may be a step of another, and pass its data through."""
    from azure.ai.ml import Input, Output, dsl

    say = jobs.command(
        "echo ${{inputs.word}} > ${{outputs.out}}/text",
        inputs={"word": Input(type="string")},
        outputs={"out": Output(type="uri_folder")},
    )

    @dsl.pipeline
    def inner(word=""):  # noqa: ANN001, ANN202 - the SDK reads annotations as types of its own
        return {"said": say(word=word).outputs.out}

    @dsl.pipeline
    def outer() -> dict[str, Output]:
        return {"result": inner(word="nested").outputs.said}

    name = jobs.start(outer())
    assert jobs.end(name).status == "Completed"
    ml.jobs.download(name, output_name="result", download_path=tmp_path)
    assert (tmp_path / "named-outputs/result/text").read_text() == "nested\n"


def test_registered_component_of_the_workspace(ml: MLClient, jobs: Jobs) -> None:
    """A step may be a component that was registered under a name."""
    from azure.ai.ml import dsl
    from azure.ai.ml.entities import CommandComponent

    named = CommandComponent(name="always_true", version="1", command="true", environment=jobs.environment)
    ml.components.create_or_update(named)
    step = ml.components.get("always_true", "1")

    @dsl.pipeline
    def flow() -> None:
        registered = step()  # noqa: F841

    name = jobs.start(flow())
    assert jobs.end(name).status == "Completed"
    assert jobs.steps(name) == {"registered": "Completed"}


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


def test_outputs_of_a_pipeline_are_named_and_placed(ml: MLClient, jobs: Jobs, unique: str) -> None:
    """A pipeline's output lies where its path says and becomes the asset it names, also from a nested pipeline."""
    from azure.ai.ml import Output, dsl

    make = jobs.command("echo made > ${{outputs.out}}/file", outputs={"out": Output(type="uri_folder")})

    @dsl.pipeline
    def inner():  # noqa: ANN202 - the SDK reads annotations as types of its own
        return {"made": make().outputs.out}

    @dsl.pipeline
    def outer():  # noqa: ANN202
        return {"result": inner().outputs.made}

    job = outer()
    path = "azureml://datastores/workspaceblobstore/paths/placed/${{name}}/"
    job.outputs.result = Output(type="uri_folder", path=path, name=unique, version="3")
    name = jobs.start(job, default_datastore="workspaceblobstore", force_rerun=True)
    assert jobs.end(name).status == "Completed"
    assert f"/placed/{name}/" in ml.data.get(unique, "3").path


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


def test_stream_prints_what_the_service_prints(ml: MLClient, jobs: Jobs, capsys: pytest.CaptureFixture[str]) -> None:
    """`jobs.stream` of a pipeline prints which steps are submitted and which have completed."""
    from azure.ai.ml import dsl

    wait = jobs.command("sleep 1")

    @dsl.pipeline
    def flow() -> None:
        waiting = wait()  # noqa: F841 - its name is the step's

    ml.jobs.stream(jobs.start(flow()))
    printed = capsys.readouterr().out
    assert "Streaming logs/azureml/executionlogs.txt" in printed
    assert "Submitting 1 runs, first five are: waiting:" in printed
    assert "Completing processing run id" in printed


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
