"""What comes out of a job: every mode and type of output, its place, its name, and its artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from azure.ai.ml import MLClient

    from tests.emulator.conftest import Jobs


def test_every_type_and_mode_comes_back(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
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
    name = jobs.submit("; ".join(lines), outputs=outputs | files)
    assert jobs.end(name).status == "Completed"
    ml.jobs.download(name, download_path=tmp_path, all=True)
    for output in outputs:
        assert (tmp_path / "named-outputs" / output / "made").read_text() == f"{output}\n"
    for output in files:
        (file,) = (tmp_path / "named-outputs" / output).iterdir()
        assert file.read_text() == f"{output}\n"


def test_place_may_hold_the_jobs_name(ml: MLClient, jobs: Jobs, tmp_path: Path) -> None:
    """An output's own path may hold the job's name, and a `direct` output is only a URI."""
    from azure.ai.ml import Output

    path = "azureml://datastores/workspaceblobstore/paths/own/${{name}}/"
    outputs = {"out": Output(type="uri_folder", path=path), "uri": Output(type="uri_folder", path=path, mode="direct")}
    name = jobs.submit("echo ${{outputs.uri}} > ${{outputs.out}}/uri", outputs=outputs)
    assert jobs.end(name).outputs["out"].path == f"azureml://datastores/workspaceblobstore/paths/own/{name}/"
    ml.jobs.download(name, download_path=tmp_path, output_name="out")
    assert f"/own/{name}/" in (tmp_path / "named-outputs/out/uri").read_text()


def test_named_outputs_are_versions(ml: MLClient, jobs: Jobs, unique: str) -> None:
    """An output with a name is its next version when the job has completed, in order and under `latest`."""
    from azure.ai.ml import Output

    for version in ("1", "2"):
        outputs = {
            "data": Output(type="uri_folder", name=f"{unique}-data"),
            "model": Output(type="custom_model", name=f"{unique}-model"),
        }
        text = "touch ${{outputs.data}}/made ${{outputs.model}}/made"
        assert jobs.end(jobs.submit(text, outputs=outputs)).status == "Completed"
        assert ml.data.get(f"{unique}-data", label="latest").version == version
        assert ml.models.get(f"{unique}-model", label="latest").version == version
    assert f"{unique}-data" in {data.name for data in ml.data.list()}


def test_failed_job_registers_nothing(ml: MLClient, jobs: Jobs, unique: str) -> None:
    """The output of a failed job does not become an asset, and a version that exists is never replaced."""
    from azure.ai.ml import Output
    from azure.ai.ml.exceptions import JobException
    from azure.core.exceptions import ResourceNotFoundError

    outputs = {"out": Output(type="uri_folder", name=unique, version="7")}
    assert jobs.end(jobs.submit("touch ${{outputs.out}}/made; exit 1", outputs=outputs)).status == "Failed"
    with pytest.raises(ResourceNotFoundError):
        ml.data.get(unique, "7")
    assert jobs.end(jobs.submit("touch ${{outputs.out}}/made", outputs=outputs)).status == "Completed"
    with pytest.raises(JobException, match=f"version 7 of {unique} in data exists already"):
        ml.jobs.stream(jobs.submit("sleep 0.5; touch ${{outputs.out}}/made", outputs=outputs))


def test_folders_outputs_and_logs_are_artifacts(ml: MLClient, jobs: Jobs, tmp_path: Path, unique: str) -> None:
    """What a job writes to ./outputs and ./logs is kept with its log, and can become a model."""
    from azure.ai.ml.entities import Model

    text = "mkdir -p outputs/model logs; echo weights > outputs/model/weights; echo line > logs/own.txt"
    name = jobs.submit(text)
    assert jobs.end(name).status == "Completed"
    ml.jobs.download(name, download_path=tmp_path)
    assert (tmp_path / "artifacts/logs/own.txt").read_text() == "line\n"
    path = f"azureml://jobs/{name}/outputs/artifacts/paths/outputs/model/"
    model = ml.models.create_or_update(Model(name=unique, path=path))
    ml.models.download(model.name, model.version, download_path=tmp_path)
    (file,) = (tmp_path / unique).rglob("weights")
    assert file.read_text() == "weights\n"
