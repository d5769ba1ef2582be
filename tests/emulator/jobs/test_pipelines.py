"""Pipeline jobs: how data flows between steps, what is refused at submission, and how failure spreads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
