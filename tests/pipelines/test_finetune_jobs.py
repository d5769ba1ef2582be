"""finetune's jobs: submitted once whoever asks, left alone, watched, ended; what they do is up to the test."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from safetensors.numpy import load_file

from mlops import planning
from mlops.emulator import daemon
from mlops.errors import AzureError, Detached, Refusal
from mlops.records import DataAsset, FineTuningJob, Split, seal
from mlops.reports import training
from mlops.settings import load
from mlops.stage import Context, perform
from mlops.workspace import runs
from mlops.workspace.history import Job
from mlops.workspace.runs import Snapshot
from pipelines.finetune import finetune

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.ai.ml import MLClient
    from pytest_mock import MockerFixture

    from mlops.emulator.home import Home
    from mlops.emulator.pytest_plugin import Emulator

    Begin = Callable[..., FineTuningJob]

# They count the jobs that are submitted: one after the other.
pytestmark = pytest.mark.xdist_group("finetuning")

SPEC = Path(__file__).parent / "quick_training.yml"
LOG = Path(__file__).parent / "log_training.py"
TINY = Path(__file__).parent / "tiny_training.py"


def data(unique: str) -> DataAsset:
    """Return a data asset of this test alone; the quick training reads none of it."""
    split = Split(rows=100, characters=40_000, sha256="0" * 64, uri="azureml://x/train.jsonl")
    names = dict.fromkeys(("id", "name", "version", "source"), "conversations")
    return DataAsset(**names, content_hash=unique, train=split, validation=split, test=split, quarantined=0)


def settings(act: str, unique: str, *, max_usd: str = "100", **more: str) -> dict[str, str]:
    """Return the variables of a job that does `act` on a cluster of its own, with no earlier job of its workload."""
    batch = {"TRAINING__PER_DEVICE_TRAIN_BATCH_SIZE": f"{1 + int(unique[-6:], 16)}"}
    alone = batch | {"INSIST": "[per_device_train_batch_size]", "CLUSTER__NAME": f"c{unique[-8:]}"}
    own = alone | {"METHOD": "own", "TRAINING__ACT": act} | more
    budget = {"MLOPS_BUDGET__PRICES": "{Standard_NC24ads_A100_v4: 4.0}", "MLOPS_BUDGET__MAX_USD": max_usd}
    return {f"MLOPS_FINETUNE__{name}": value for name, value in own.items()} | budget


@pytest.fixture
def begin(emulator_environment: dict[str, str], tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Return a function that runs the stage with a job that does something, and returns its record."""
    monkeypatch.setattr(planning, "SPEC", SPEC)

    def run(act: str, *, folder: str = "run", said: StringIO | None = None, **more: str) -> FineTuningJob:
        console = Console(file=said or StringIO(), width=200)
        loaded = load("dev", variables=emulator_environment | settings(act, unique, **more))
        context = Context(environment="dev", run=unique, folder=tmp_path / folder, settings=loaded, console=console)
        context.folder.mkdir(exist_ok=True)
        return perform(finetune, context, data(unique))

    return run


def last_request(emulator: Home) -> int:
    """Return the number of the last request that the emulator saw."""
    requests: list[dict[str, Any]] = daemon.request(emulator, "/_emulator/requests?since=0")
    return requests[-1]["sequence"] if requests else 0


def submitted(emulator: Home, since: int) -> list[str]:
    """Return the fine-tuning jobs that were submitted since a request, one name per request."""
    requests: list[dict[str, Any]] = daemon.request(emulator, f"/_emulator/requests?since={since}")
    puts = [request["path"] for request in requests if request["method"] == "PUT"]
    return [path.rpartition("/")[2] for path in puts if "/jobs/finetune-" in path]


def test_killed_at_every_point_it_pays_once(
    emulator: Home, emulator_environment: dict[str, str], tmp_path: Path, unique: str
) -> None:
    """Between submission and record a client may die anywhere: the next one finds the job, and there is one.

    From the submission on the job says with which inputs the release is started again, until the job was seen to end.
    """
    before = last_request(emulator)
    folder = tmp_path / "runs" / unique
    folder.mkdir(parents=True)
    (folder / "prepare.json").write_bytes(seal(data(unique)))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    release = {
        "RELEASE_INPUTS": json.dumps({"environment": "dev", "run": "", "override": "as agreed", "dry_run": False})
    }
    result = subprocess.run(
        [sys.executable, Path(__file__).parent / "killed_client.py", SPEC, unique],
        cwd=tmp_path,
        env=kept | emulator_environment | settings("true", unique) | {"PYTHONUNBUFFERED": "1"} | release,
        capture_output=True,
        text=True,
        check=True,
    )
    ends = re.findall(r"^(?:before|with|while|never).* (-?\d+)$", result.stdout, re.MULTILINE)
    assert ends == [str(-signal.SIGKILL)] * 4 + ["0"], result.stdout + result.stderr
    waits = re.findall(r"^waits ?(.*)$", result.stdout, re.MULTILINE)
    inputs = str({"environment": "dev", "run": unique, "override": "as agreed"})
    assert waits == ["", inputs, inputs, "", ""]
    assert len(submitted(emulator, before)) == 1
    assert result.stdout.count("submitted job") == 0  # who submitted it died before it could say so
    assert result.stdout.count("attached to job") == 3
    assert (folder / "finetune.json").is_file()


def test_detached_then_attached_from_elsewhere(begin: Begin, emulator: Home) -> None:
    """`detach` ends after the submission; a later run, elsewhere, attaches, finishes the record and keeps the pace."""
    before, said = last_request(emulator), StringIO()
    with pytest.raises(Detached, match="goes on by itself; run the stage again, anywhere"):
        begin(f"python {LOG}", DETACH="true")
    job = begin(f"python {LOG}", folder="elsewhere", said=said)
    with pytest.raises(Detached, match="is completed; run the stage again without --detach"):
        begin(f"python {LOG}", DETACH="true")
    assert submitted(emulator, before) == [job.name]
    assert f"attached to job {job.name}" in said.getvalue()
    assert job.measured.tokens_per_s == job.plan.tokens / 20
    assert job.measured.usd == pytest.approx(job.measured.hours * 4.0)
    assert "assumed" in job.plan.throughput
    again = begin(f"python {LOG}", folder="elsewhere", FORCE="true")
    assert again.name != job.name
    assert "measured: the last 1 of such jobs" in again.plan.throughput
    assert again.plan.hours < job.plan.hours


def test_force_pays_again(begin: Begin) -> None:
    """The same key is the same job; who insists gets the next one of that name."""
    first = begin("true")
    assert begin("true").name == first.name
    assert begin("true", FORCE="true").name == f"{first.name}-2"
    assert begin("true").name == f"{first.name}-2"


def download(ml: MLClient, job: str, output: str, folder: Path) -> Path:
    """Return the folder of a job's output, downloaded."""
    ml.jobs.download(job, output_name=output, download_path=folder)
    return folder / "named-outputs" / output


def test_an_alignment_is_the_second_step_of_the_job(begin: Begin, ml: MLClient, tmp_path: Path) -> None:
    """`alignment: dpo`: fine-tuning, then DPO on its model, in one job; plan, cost and record cover both."""
    said, file = StringIO(), tmp_path / "preferences.jsonl"
    chosen, rejected = ([{"role": "assistant", "content": text}] for text in ("Yes, red is nice.", "white white white"))
    row = {"prompt": [{"role": "user", "content": "Do you like red?"}], "chosen": chosen, "rejected": rejected}
    file.write_text(f"{json.dumps(row)}\n" * 10)
    often = "{learning_rate: 0.01, num_train_epochs: 3, logging_steps: 1}"
    dpo = {"ALIGNMENT": "dpo", "PREFERENCES": str(file), "DPO": often}
    job = begin(f"python {TINY} $OUTPUT", said=said, **dpo)
    steps = {step.display_name: step.name for step in ml.jobs.list(parent_job_name=job.name)}
    assert steps.keys() == {"training", "alignment"}
    first, second = job.measured.losses["loss"], job.measured.losses["dpo_loss"]
    assert first[-1][0] == 2
    assert second[0][1] == pytest.approx(0.6931, abs=1e-3)  # ln 2: it is its own reference
    assert second[-1][1] < second[0][1]
    assert job.alignment
    assert (job.alignment.preferences.rows, job.alignment.parameters["dpo_beta"]) == (10, 0.1)
    assert job.plan.usd == pytest.approx(2 * job.alignment.plan.usd, rel=0.1)  # a node is prepared twice
    assert job.display_name.endswith("-dpo")
    assert "DPO on 10 preferences" in said.getvalue()
    tuned = download(ml, steps["training"], "mlflow_model_folder", tmp_path / "tuned")
    aligned = download(ml, job.name, "trained_model", tmp_path / "aligned")
    assert "aligned by DPO on 9 preferences" in (aligned / "README.md").read_text()
    before, after = (load_file(folder / "model" / "model.safetensors") for folder in (tuned, aligned))
    assert before.keys() == after.keys()
    assert not all((before[name] == after[name]).all() for name in before)
    assert begin(f"python {TINY} $OUTPUT", **dpo).name == job.name


def test_a_failed_step_is_told_with_the_end_of_its_log(begin: Begin, tmp_path: Path) -> None:
    """Exit 2: which step, what the service said, the last lines, and the log is kept whole; the next run is new."""
    with pytest.raises(AzureError) as error:
        begin("echo out of memory; exit 3")
    assert error.value.exit_code == 2
    assert re.search(r"job finetune-\w+ failed in step training: Execution failed.*status code 3", str(error.value))
    assert str(error.value).splitlines()[-2:] == ["  training with cosine", "  out of memory"]
    assert "out of memory" in (tmp_path / "run" / "finetune.log").read_text()


def test_a_preempted_job_starts_again_by_itself(
    begin: Begin, ml: MLClient, azureml_emulator: Emulator, tmp_path: Path
) -> None:
    """A low-priority node is taken away: the job is queued again, and who attaches sees it end well."""
    hold = f"echo from the start; until test -e {tmp_path}/gate; do sleep 0.05; done"
    before = last_request(azureml_emulator.home)
    with pytest.raises(Detached):
        begin(hold, CLUSTER__TIER="low_priority", DETACH="true")
    (name,) = submitted(azureml_emulator.home, before)
    while not (steps := list(ml.jobs.list(parent_job_name=name))):
        pass
    (step,) = steps
    with azureml_emulator.faults.injected("preemption", job=step.name) as fault:
        while not next(each for each in azureml_emulator.faults.list() if each["id"] == fault["id"])["hits"]:
            ml.jobs.get(name)
    (tmp_path / "gate").touch()
    assert begin(hold, CLUSTER__TIER="low_priority").name == name
    assert "from the start" in (tmp_path / "run" / "finetune.log").read_text()


def test_a_canceled_job_is_a_no(begin: Begin, ml: MLClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 1: somebody decided so; the SDK's own stream would end in silence."""
    monkeypatch.setattr(runs, "curves", lambda _, name, __: ml.jobs.begin_cancel(name).result())
    with pytest.raises(Refusal, match=r"job finetune-\w+ was canceled; run the stage again to submit it anew"):
        begin("sleep 60")


def test_a_job_without_a_node_is_given_up_in_time(begin: Begin, mocker: MockerFixture) -> None:
    """Exit 1 after `queue_deadline_s`, with the quota and what can be done; the job stays in the queue."""
    step = Job("s", "quick_training", "x", "command", "Queued", None)
    mocker.patch.object(runs, "watch", return_value=iter([Snapshot(2.0, "Running", (step,), ())]))
    with pytest.raises(Refusal, match=r"had no node of c\w+ for 1 s.*vCPUs of.*az ml job cancel --name finetune-"):
        begin("true", QUEUE_DEADLINE_S="1")


@pytest.mark.parametrize(("cancels", "status"), [(True, "Canceled"), (False, "Completed")])
def test_ctrl_c_cancels_the_job_or_leaves_it(
    begin: Begin, ml: MLClient, tmp_path: Path, mocker: MockerFixture, *, cancels: bool, status: str
) -> None:
    """As the person at the terminal wishes; where nobody is, such as on a runner that is stopped, it is left."""
    said = StringIO()
    mocker.patch.object(runs, "curves", side_effect=KeyboardInterrupt)
    mocker.patch.object(training, "asks_to_cancel", return_value=cancels)
    with pytest.raises(Refusal if cancels else KeyboardInterrupt):
        begin(f"until test -e {tmp_path}/gate; do sleep 0.05; done", said=said)
    (tmp_path / "gate").touch()
    (name,) = set(re.findall(r"submitted job (finetune-\w+)", said.getvalue()))
    while (found := ml.jobs.get(name).status) not in ("Completed", "Canceled"):
        pass
    assert found == status


def test_a_job_above_the_budget_is_not_submitted(begin: Begin, emulator: Home, tmp_path: Path) -> None:
    """Exit 1 before anything is submitted, with the estimate kept."""
    before, said = last_request(emulator), StringIO()
    with pytest.raises(Refusal, match=r"would cost about 1\.\d\d USD, budget.max_usd is 0\.5"):
        begin("true", said=said, max_usd="0.5")
    assert "at most 0.5 (budget.max_usd)" in said.getvalue()
    assert (tmp_path / "run" / "finetune-plan.json").is_file()
    requests = daemon.request(emulator, f"/_emulator/requests?since={before}")
    assert not [each for each in requests if each["method"] == "PUT" and "/jobs/finetune-" in each["path"]]
