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

    from tests.emulator.conftest import Jobs

_MODES = ("ro_mount", "download")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of data that is an MLTable, too."""
    data = tmp_path / "data"
    (data / "inner").mkdir(parents=True)
    (data / "a.csv").write_text("a\n")
    (data / "inner/b.csv").write_text("b\n")
    (data / "MLTable").write_text("paths:\n  - pattern: ./*.csv\n  - file: ./inner/b.csv\n")
    return data


def test_folders_come_in_every_mode(jobs: Jobs, tmp_path: Path, folder: Path) -> None:
    """A folder of any type is there under the input's path, mounted or copied; a table may be evaluated, too."""
    from azure.ai.ml import Input

    kinds = [(type_, mode) for type_ in ("uri_folder", "mltable", "custom_model", "triton_model") for mode in _MODES]
    given = {f"{type_}_{mode}": Input(type=type_, path=str(folder), mode=mode) for type_, mode in kinds}
    tables = {mode: Input(type="mltable", path=str(folder), mode=mode) for mode in ("eval_mount", "eval_download")}
    lines = [f"cat ${{{{inputs.{name}}}}}/a.csv" for name in given] + [f"ls ${{{{inputs.{name}}}}}" for name in tables]
    name = jobs.submit("; ".join(lines), inputs=given | tables)
    assert jobs.log(name, tmp_path) == ["a"] * len(given) + ["a.csv", "b.csv"] * len(tables)


def test_a_copy_is_the_jobs_own(jobs: Jobs, tmp_path: Path, folder: Path) -> None:
    """What a job does to a downloaded input changes nothing for others."""
    from azure.ai.ml import Input

    given = Input(type="uri_folder", path=str(folder), mode="download")
    for _ in range(2):
        name = jobs.submit("cat ${{inputs.data}}/a.csv; rm ${{inputs.data}}/a.csv", inputs={"data": given})
        assert jobs.log(name, tmp_path / name) == ["a"]


def test_files_literals_and_uris(jobs: Jobs, tmp_path: Path, folder: Path) -> None:
    """Files come as their path, `direct` inputs as their URI, literals as they are written."""
    from azure.ai.ml import Input

    uri = "azureml://datastores/workspaceblobstore/paths/anywhere"
    name = jobs.submit(
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
    assert jobs.log(name, tmp_path) == ["a", f"{uri} some text 0.5 3 True"]


@pytest.fixture
def website(folder: Path) -> Iterator[str]:
    """Serve the folder of data as a public site."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_public_files_are_fetched(ml: MLClient, jobs: Jobs, tmp_path: Path, website: str) -> None:
    """A file of the public web is fetched before the job starts; one that is not there fails the job."""
    from azure.ai.ml import Input
    from azure.ai.ml.exceptions import JobException

    name = jobs.submit("cat ${{inputs.file}}", inputs={"file": Input(type="uri_file", path=f"{website}/a.csv")})
    assert jobs.log(name, tmp_path) == ["a"]
    name = jobs.submit("true", inputs={"file": Input(type="uri_file", path=f"{website}/none.csv")})
    with pytest.raises(JobException, match=r"none\.csv cannot be read from this machine"):
        ml.jobs.stream(name)


def test_code_leaves_out_what_is_ignored(jobs: Jobs, tmp_path: Path) -> None:
    """`.amlignore` decides what a job's code brings along, before `.gitignore`."""
    code = tmp_path / "code"
    code.mkdir()
    for name in ("main.py", "secret.txt", "kept.txt"):
        (code / name).touch()
    (code / ".amlignore").write_text("secret.txt\n")
    (code / ".gitignore").write_text("kept.txt\n")
    assert jobs.log(jobs.submit("ls *.py *.txt", code=str(code)), tmp_path) == ["kept.txt", "main.py"]


def test_optional_part_without_its_input(jobs: Jobs, tmp_path: Path) -> None:
    """A `$[[…]]` part of a command job's text is left out when its input is not given."""
    from azure.ai.ml import Input

    name = jobs.submit("echo always $[[--x ${{inputs.x}}]]", inputs={"x": Input(type="string", optional=True)})
    assert jobs.log(name, tmp_path) == ["always"]


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
        "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu:1",
    ]
    from azure.ai.ml import command

    for environment in known:
        assert ml.jobs.create_or_update(command(command="true", environment=environment)).status
    with pytest.raises(HttpResponseError, match=r"environment .*nothing/versions/1 was not found"):
        ml.jobs.create_or_update(
            command(command="true", environment="azureml://registries/elsewhere/environments/nothing/versions/1")
        )
