"""What goes into a job: every type and mode of input, and data from elsewhere."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import HttpResponseError

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def log(ml: MLClient, name: str, folder: Path) -> list[str]:
    """Return the lines that a job has printed."""
    assert end(ml, name).status == "Completed"
    ml.jobs.download(name, download_path=folder)
    return (folder / "artifacts/user_logs/std_log.txt").read_text().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of data that is an MLTable, too."""
    data = tmp_path / "data"
    (data / "inner").mkdir(parents=True)
    (data / "a.csv").write_text("a\n")
    (data / "inner/b.csv").write_text("b\n")
    (data / "MLTable").write_text("paths:\n  - pattern: ./*.csv\n  - file: ./inner/b.csv\n")
    return data


@pytest.mark.parametrize("type_", ["uri_folder", "mltable", "custom_model", "triton_model"])
@pytest.mark.parametrize("mode", ["ro_mount", "download"])
def test_folders_come_in_every_mode(ml: MLClient, tmp_path: Path, folder: Path, type_: str, mode: str) -> None:
    """A folder of any type is there under the input's path, mounted or copied."""
    from azure.ai.ml import Input

    given = Input(type=type_, path=str(folder), mode=mode)
    name = submit(ml, "cat ${{inputs.data}}/a.csv; touch ${{inputs.data}}/../writable", inputs={"data": given})
    assert log(ml, name, tmp_path) == ["a"]


def test_a_copy_is_the_jobs_own(ml: MLClient, tmp_path: Path, folder: Path) -> None:
    """What a job does to a downloaded input changes nothing for others."""
    from azure.ai.ml import Input

    given = Input(type="uri_folder", path=str(folder), mode="download")
    for _ in range(2):
        name = submit(ml, "cat ${{inputs.data}}/a.csv; rm ${{inputs.data}}/a.csv", inputs={"data": given})
        assert log(ml, name, tmp_path / name) == ["a"]


def test_files_literals_and_uris(ml: MLClient, tmp_path: Path, folder: Path) -> None:
    """Files come as their path, `direct` inputs as their URI, literals as they are written."""
    from azure.ai.ml import Input

    uri = "azureml://datastores/workspaceblobstore/paths/anywhere"
    name = submit(
        ml,
        "cat ${{inputs.file}}; "
        "echo ${{inputs.uri}} ${{inputs.text}} ${{inputs.rate}} ${{inputs.count}} ${{inputs.yes}}",
        inputs={
            "file": Input(type="uri_file", path=str(folder / "a.csv"), mode="download"),
            "uri": Input(type="uri_folder", path=uri, mode="direct"),
            "text": "some text",
            "rate": 0.5,
            "count": 3,
            "yes": True,
        },
    )
    assert log(ml, name, tmp_path) == ["a", f"{uri} some text 0.5 3 True"]


@pytest.mark.parametrize("mode", ["eval_mount", "eval_download"])
def test_mltable_is_evaluated(ml: MLClient, tmp_path: Path, folder: Path, mode: str) -> None:
    """An evaluated MLTable is a folder with the files that it names."""
    from azure.ai.ml import Input

    given = Input(type="mltable", path=str(folder), mode=mode)
    name = submit(ml, "ls ${{inputs.table}}", inputs={"table": given})
    assert log(ml, name, tmp_path) == ["a.csv", "b.csv"]


@pytest.fixture
def website(folder: Path) -> Iterator[str]:
    """Serve the folder of data as a public site."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_public_files_are_fetched(ml: MLClient, tmp_path: Path, website: str) -> None:
    """A file of the public web is fetched before the job starts; one that is not there fails the job."""
    from azure.ai.ml import Input
    from azure.ai.ml.exceptions import JobException

    name = submit(ml, "cat ${{inputs.file}}", inputs={"file": Input(type="uri_file", path=f"{website}/a.csv")})
    assert log(ml, name, tmp_path) == ["a"]
    name = submit(ml, "true", inputs={"file": Input(type="uri_file", path=f"{website}/none.csv")})
    with pytest.raises(JobException, match=r"none\.csv cannot be read from this machine"):
        ml.jobs.stream(name)


def test_code_leaves_out_what_is_ignored(ml: MLClient, tmp_path: Path) -> None:
    """`.amlignore` decides what a job's code brings along, before `.gitignore`."""
    code = tmp_path / "code"
    code.mkdir()
    for name in ("main.py", "secret.txt", "kept.txt"):
        (code / name).touch()
    (code / ".amlignore").write_text("secret.txt\n")
    (code / ".gitignore").write_text("kept.txt\n")
    assert log(ml, submit(ml, "ls *.py *.txt", code=str(code)), tmp_path) == ["kept.txt", "main.py"]


def test_optional_part_without_its_input(ml: MLClient, tmp_path: Path) -> None:
    """A `$[[…]]` part of a command job's text is left out when its input is not given."""
    from azure.ai.ml import Input

    name = submit(ml, "echo always $[[--x ${{inputs.x}}]]", inputs={"x": Input(type="string", optional=True)})
    assert log(ml, name, tmp_path) == ["always"]


def test_environments_by_every_name(ml: MLClient, tmp_path: Path, unique: str) -> None:
    """An environment is named by version, by label, inline or by registry; an unknown one is refused."""
    from azure.ai.ml.entities import BuildContext, Environment

    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11, {pip: [mlflow]}]\n")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/Dockerfile").write_text("FROM scratch\n")
    ml.environments.create_or_update(Environment(name=unique, version="1", image="ubuntu"))
    known: list[Any] = [
        f"{unique}:1",
        f"{unique}@latest",
        Environment(image="ubuntu"),
        Environment(image="ubuntu", conda_file=str(tmp_path / "conda.yml")),
        Environment(build=BuildContext(path=str(tmp_path / "docker"))),
        "azureml://registries/azureml/environments/acft-hf-nlp-gpu/labels/latest",
    ]
    from azure.ai.ml import command

    for environment in known:
        assert ml.jobs.create_or_update(command(command="true", environment=environment)).status
    with pytest.raises(HttpResponseError, match=r"environment .*nothing/versions/1 was not found"):
        ml.jobs.create_or_update(
            command(command="true", environment="azureml://registries/elsewhere/environments/nothing/versions/1")
        )
