"""What comes out of a job: every mode and type of output, its place, its name, and its artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Job

ENVIRONMENT = "azureml://registries/azureml/environments/acft-hf-nlp-gpu/versions/112"


def submit(ml: MLClient, text: str, **more: Any) -> str:
    """Submit a command job and return its name."""
    from azure.ai.ml import command

    job = command(command=text, environment=ENVIRONMENT, experiment_name="test-jobs", **more)
    return ml.jobs.create_or_update(job).name


def end(ml: MLClient, name: str) -> Job:
    """Return the job when it has ended."""
    from azure.ai.ml.exceptions import JobException

    try:
        ml.jobs.stream(name)
    except JobException:
        assert ml.jobs.get(name).status == "Failed"
    return ml.jobs.get(name)


def test_every_type_and_mode_comes_back(ml: MLClient, tmp_path: Path) -> None:
    """Folders, models and files come back by their output's name, however they were written."""
    from azure.ai.ml import Output

    outputs = {
        f"{type_}_{mode}": Output(type=type_, mode=mode)
        for type_ in ("uri_folder", "mltable", "custom_model", "triton_model")
        for mode in ("rw_mount", "upload")
    }
    files = {f"uri_file_{mode}": Output(type="uri_file", mode=mode) for mode in ("rw_mount", "upload")}
    lines = [f"echo {name} > ${{{{outputs.{name}}}}}/made" for name in outputs]
    lines += [f"echo {name} > ${{{{outputs.{name}}}}}" for name in files]
    name = submit(ml, "; ".join(lines), outputs=outputs | files)
    assert end(ml, name).status == "Completed"
    ml.jobs.download(name, download_path=tmp_path, all=True)
    for output in outputs:
        assert (tmp_path / "named-outputs" / output / "made").read_text() == f"{output}\n"
    for output in files:
        (file,) = (tmp_path / "named-outputs" / output).iterdir()
        assert file.read_text() == f"{output}\n"


def test_place_may_hold_the_jobs_name(ml: MLClient, tmp_path: Path) -> None:
    """An output's own path may hold the job's name, and a `direct` output is only a URI."""
    from azure.ai.ml import Output

    path = "azureml://datastores/workspaceblobstore/paths/own/${{name}}/"
    outputs = {"out": Output(type="uri_folder", path=path), "uri": Output(type="uri_folder", path=path, mode="direct")}
    name = submit(ml, "echo ${{outputs.uri}} > ${{outputs.out}}/uri", outputs=outputs)
    assert end(ml, name).outputs["out"].path == f"azureml://datastores/workspaceblobstore/paths/own/{name}/"
    ml.jobs.download(name, download_path=tmp_path, output_name="out")
    assert f"/own/{name}/" in (tmp_path / "named-outputs/out/uri").read_text()


def test_named_outputs_are_versions(ml: MLClient, unique: str) -> None:
    """An output with a name is its next version when the job has completed, in order and under `latest`."""
    from azure.ai.ml import Output

    for version in ("1", "2"):
        outputs = {
            "data": Output(type="uri_folder", name=f"{unique}-data"),
            "model": Output(type="custom_model", name=f"{unique}-model"),
        }
        text = "touch ${{outputs.data}}/made ${{outputs.model}}/made"
        assert end(ml, submit(ml, text, outputs=outputs)).status == "Completed"
        assert ml.data.get(f"{unique}-data", label="latest").version == version
        assert ml.models.get(f"{unique}-model", label="latest").version == version
    assert f"{unique}-data" in {data.name for data in ml.data.list()}


def test_failed_job_registers_nothing(ml: MLClient, unique: str) -> None:
    """The output of a failed job does not become an asset, and a version that exists is never replaced."""
    from azure.ai.ml import Output
    from azure.ai.ml.exceptions import JobException
    from azure.core.exceptions import ResourceNotFoundError

    outputs = {"out": Output(type="uri_folder", name=unique, version="7")}
    assert end(ml, submit(ml, "touch ${{outputs.out}}/made; exit 1", outputs=outputs)).status == "Failed"
    with pytest.raises(ResourceNotFoundError):
        ml.data.get(unique, "7")
    assert end(ml, submit(ml, "touch ${{outputs.out}}/made", outputs=outputs)).status == "Completed"
    with pytest.raises(JobException, match=f"version 7 of {unique} in data exists already"):
        ml.jobs.stream(submit(ml, "sleep 0.5; touch ${{outputs.out}}/made", outputs=outputs))


def test_folders_outputs_and_logs_are_artifacts(ml: MLClient, tmp_path: Path, unique: str) -> None:
    """What a job writes to ./outputs and ./logs is kept with its log, and can become a model."""
    from azure.ai.ml.entities import Model

    text = "mkdir -p outputs/model logs; echo weights > outputs/model/weights; echo line > logs/own.txt"
    name = submit(ml, text)
    assert end(ml, name).status == "Completed"
    ml.jobs.download(name, download_path=tmp_path)
    assert (tmp_path / "artifacts/logs/own.txt").read_text() == "line\n"
    path = f"azureml://jobs/{name}/outputs/artifacts/paths/outputs/model/"
    model = ml.models.create_or_update(Model(name=unique, path=path))
    ml.models.download(model.name, model.version, download_path=tmp_path)
    (file,) = (tmp_path / unique).rglob("weights")
    assert file.read_text() == "weights\n"
