"""Sweeps: what is sampled, which trial is best, and what becomes of it, alone and as a step of a pipeline."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError
from hypothesis import given
from hypothesis import strategies as st

from mlops.emulator.errors import ArmError
from mlops.emulator.jobs import sweep

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

    from tests.emulator.conftest import Jobs

SAY = '\necho "${{inputs.x}} $AZUREML_SWEEP_x ${{inputs.word}}" > ${{outputs.out}}/tried'


def body(**changes: Any) -> dict[str, Any]:
    """Return a sweep as a job writes it."""
    return {
        "searchSpace": {"x": ["choice", [[1, 2, 3]]]},
        "samplingAlgorithm": {"samplingAlgorithmType": "Random"},
        "objective": {"goal": "maximize", "primaryMetric": "score"},
        "limits": {"maxTotalTrials": 5},
        **changes,
    }


def trial(jobs: Jobs, text: str | None = None) -> Any:
    """Return a component whose input `x` is swept."""
    from azure.ai.ml import Input, Output

    return jobs.command(
        text or jobs.metric("score", "${{inputs.x}}") + SAY,
        name="trial",
        inputs={"x": Input(type="number", default=1.0), "word": Input(type="string", default="said")},
        outputs={"out": Output(type="uri_folder")},
    )


@given(st.integers(), st.sampled_from(["uniform", "quniform", "loguniform", "qloguniform"]))
def test_uniform_families_stay_in_their_bounds(seed: int, kind: str) -> None:
    """Uniform values lie within their bounds, those of the `log` families within the powers of e."""
    arguments = [0.5, 2.0, 0.25] if kind.startswith("q") else [0.5, 2.0]
    space = {"x": [kind, arguments]}
    algorithm = {"samplingAlgorithmType": "Random", "seed": seed}
    tried = sweep.read(body(searchSpace=space, samplingAlgorithm=algorithm), where="here")
    low, high = (math.exp(0.5), math.exp(2.0)) if "log" in kind else (0.5, 2.0)
    values = [point["x"] for point in sweep.sample(tried, default_seed="", results=list)]
    assert all(low - 0.125 <= value <= high + 0.125 for value in values)
    assert not kind.startswith("q") or all((value / 0.25).is_integer() for value in values)


@pytest.mark.parametrize("kind", ["normal", "lognormal", "qnormal", "qlognormal"])
def test_normal_families_and_whole_numbers(kind: str) -> None:
    """Normal values are numbers, `randint` is below its limit, and the same seed draws the same points."""
    arguments = [0, 1, 2] if kind.startswith("q") else [0, 1]
    space = {"x": [kind, arguments], "n": ["randint", [4]]}
    tried = sweep.read(body(searchSpace=space), where="here")
    points = list(sweep.sample(tried, default_seed="a", results=list))
    assert (
        points
        == list(sweep.sample(tried, default_seed="a", results=list))
        != list(sweep.sample(tried, default_seed="b", results=list))
    )
    assert all(math.isfinite(point["x"]) and 0 <= point["n"] < 4 for point in points)


def test_grid_is_every_combination_once() -> None:
    """A grid is every combination, up to the limit of trials; steps of pipelines write it in snake case."""
    rules = {"x": {"type": "choice", "values": [1, 2]}, "y": {"type": "choice", "values": ["a", "b"]}}
    step = {
        "search_space": rules,
        "sampling_algorithm": "grid",
        "objective": {"goal": "minimize", "primary_metric": "score"},
        "limits": {"max_total_trials": 3},
    }
    points = list(sweep.sample(sweep.read(step, where="here"), default_seed="", results=list))
    assert points == [{"x": 1, "y": "a"}, {"x": 1, "y": "b"}, {"x": 2, "y": "a"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"searchSpace": {"x": ["banana", [1]]}}, "unknown distribution 'banana'"),
        ({"searchSpace": {}}, "needs a search space"),
        ({"samplingAlgorithm": {"samplingAlgorithmType": "Magic"}}, "unknown sampling algorithm 'magic'"),
        ({"objective": {"goal": "sideways", "primaryMetric": "m"}}, "a primary metric and a goal"),
        (
            {"samplingAlgorithm": {"samplingAlgorithmType": "Grid"}, "searchSpace": {"x": ["uniform", [0, 1]]}},
            "grid sampling supports choice only, not uniform",
        ),
        (
            {"samplingAlgorithm": {"samplingAlgorithmType": "Bayesian"}, "searchSpace": {"x": ["normal", [0, 1]]}},
            "bayesian sampling supports",
        ),
    ],
)
def test_wrong_sweeps_are_refused(changes: dict[str, Any], message: str) -> None:
    """What the service refuses of a sweep is refused, with what is wrong."""
    with pytest.raises(ArmError, match=message):
        sweep.read(body(**changes), where="here")


def test_best_is_the_best_value_ever_logged() -> None:
    """The goal decides which trial is best; trials without a value are left out."""
    low, high = (sweep.read(body(objective={"goal": goal, "primaryMetric": "m"}), where="") for goal in sweep.GOALS)
    scores = {"a": [3.0, 1.0], "b": [2.0], "d": []}
    assert sweep.best(low, scores) == ("a", 1.0)
    assert sweep.best(high, scores) == ("a", 3.0)
    assert sweep.best(low, {"d": []}) is None


def test_sweep_job_finds_its_best_trial(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """Every point of the grid is a trial of its own; the best one is named, and its output is the sweep's."""
    from azure.ai.ml.sweep import Choice

    job = trial(jobs)(x=Choice([1, 3, 2]), word="said").sweep(
        primary_metric="score",
        goal="maximize",
        sampling_algorithm="grid",
        compute="serverless",
    )
    job.set_limits(max_total_trials=10, max_concurrent_trials=2, timeout=7200)
    name = ml.jobs.create_or_update(job, experiment_name="test-sweeps").name
    ended = jobs.end(name)
    assert ended.status == "Completed"
    assert ended.properties["best_child_run_id"] == f"{name}_1"
    assert ended.properties["score"] == "3.0"
    trials = list(ml.jobs.list(parent_job_name=name))
    assert [json.loads(each.tags["hyperparameters"]) for each in trials] == [{"x": 1}, {"x": 3}, {"x": 2}]
    ml.jobs.download(name, download_path=tmp_path, all=True)
    assert (tmp_path / "named-outputs/out/tried").read_text() == "3 3 said\n"
    assert "Best trial" in (tmp_path / "hd-artifacts/azureml-logs/hyperdrive.txt").read_text()


def test_hopeless_trial_is_stopped(jobs: Jobs, tmp_path: Path) -> None:
    """A trial that is worse than the policy's slack allows is canceled; the sweep completes without it."""
    from azure.ai.ml.sweep import BanditPolicy, Choice

    # A trial is judged once at each interval, beside those that have got as far: the worse one comes second.
    gate, is_good = tmp_path / "gate", "test ${{inputs.x}} = 9"
    text = f"{is_good} || until test -e {gate}; do sleep 0.05; done; " + jobs.metric("score", "${{inputs.x}}")
    text += f"; touch {gate}; {is_good} || sleep 600"
    job = trial(jobs, text)(x=Choice([9, 1])).sweep(
        primary_metric="score",
        goal="maximize",
        sampling_algorithm="grid",
        compute="serverless",
        early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=1),
    )
    name = jobs.start(job)
    assert jobs.end(name).properties["score"] == "9.0"
    assert sorted(jobs.steps(name).values()) == ["Canceled", "Completed"]


def test_sweep_is_a_step_like_any_other(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """In a pipeline, what follows a sweep reads the output of its best trial."""
    from azure.ai.ml import Input, Output, command, dsl
    from azure.ai.ml.sweep import Uniform

    copy = command(
        command="cp ${{inputs.tried}}/tried ${{outputs.out}}",
        environment=jobs.environment,
        inputs={"tried": Input(type="uri_folder")},
        outputs={"out": Output(type="uri_folder")},
    )

    @dsl.pipeline(default_compute="serverless")
    def flow(word="spoken"):  # noqa: ANN001, ANN202 - the SDK reads annotations as types of its own
        tried = trial(jobs)(x=Uniform(1, 2), word=word).sweep(
            primary_metric="score", goal="minimize", sampling_algorithm="bayesian"
        )
        tried.set_limits(max_total_trials=2, max_concurrent_trials=2)
        copied = copy(tried=tried.outputs.out)
        return {"result": copied.outputs.out}

    name = ml.jobs.create_or_update(flow(), experiment_name="test-sweeps").name
    assert jobs.end(name).status == "Completed"
    steps = {step.display_name: step for step in ml.jobs.list(parent_job_name=name)}
    assert {step: found.status for step, found in steps.items()} == {"tried": "Completed", "copied": "Completed"}
    ml.jobs.download(name, download_path=tmp_path, output_name="result")
    text = (tmp_path / "named-outputs/result/tried").read_text()
    assert text.split()[0] == steps["tried"].properties["score"]
    assert text.split()[2] == "spoken"


@pytest.mark.parametrize(
    ("text", "message"), [("true", "has logged the primary metric 'score'"), ("exit 1", "No trial of the sweep has c")]
)
def test_sweep_without_a_best_trial_fails(ml: MLClient, jobs: Jobs, text: str, message: str) -> None:
    """A sweep fails when no trial completes, and when none logs the metric."""
    from azure.ai.ml.exceptions import JobException
    from azure.ai.ml.sweep import Choice

    job = trial(jobs, text)(x=Choice([1])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", compute="serverless"
    )
    with pytest.raises(JobException, match=message):
        ml.jobs.stream(ml.jobs.create_or_update(job).name)


def test_canceled_sweep_ends_its_trials(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """A sweep that is canceled, or reaches its time limit, takes its running trials with it."""
    from azure.ai.ml.sweep import Choice

    job = trial(jobs, f"touch {tmp_path}/started; sleep 600")(x=Choice([1, 2])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", compute="serverless"
    )
    name = ml.jobs.create_or_update(job).name
    while not (tmp_path / "started").exists():
        ml.jobs._runs_operations.get_run_details(name)  # noqa: SLF001 - it waits a little, which jobs.get does not
    ml.jobs.begin_cancel(name).result()
    assert ml.jobs.get(name).status == "Canceled"
    assert {each.status for each in ml.jobs.list(parent_job_name=name)} == {"Canceled"}


def test_refusal_reaches_the_client(ml: MLClient, jobs: Jobs) -> None:
    """A grid over a continuous space is refused at submission."""
    from azure.ai.ml.sweep import Uniform

    job = trial(jobs)(x=Uniform(0, 1), word="said").sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", compute="serverless"
    )
    with pytest.raises(HttpResponseError, match="grid sampling supports choice only"):
        ml.jobs.create_or_update(job)
