"""`mlops data` on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from mlops.commands import data
from mlops.datasets.card import describe
from mlops.datasets.prepare import prepare_splits
from mlops.datasets.settings import DataSettings
from mlops.errors import InputError
from mlops.reports.data_card import write
from mlops.workspace import assets, client, endpoints
from mlops.workspace.endpoints import Endpoint

if TYPE_CHECKING:
    from pytest_mock import MockerFixture


def mlops(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mlops data` in a folder."""
    command = [sys.executable, "-m", "mlops.cli", "data", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def prepare(folder: Path, run: str, *, subject: str) -> None:
    """Do what the prepare stage does with 200 conversations, but for the upload."""
    said = [f"Tell me about {subject} number {number}" for number in range(200)]
    rows = [[{"role": "user", "content": text}, {"role": "assistant", "content": f"{text} is fine"}] for text in said]
    source = folder / f"{run}.jsonl"
    source.write_bytes(b"".join(orjson.dumps({"messages": row}) + b"\n" for row in rows))
    sizes = {"percentage": 100, "validation_percentage": 10, "test_percentage": 10, "max_quarantine_percentage": 0}
    settings = DataSettings(source=str(source), seed=0, workers=1, **sizes)
    data = folder / "runs" / run / "data"
    data.parent.mkdir(parents=True)
    prepared = prepare_splits(settings, data, cache=folder / "cache", show=lambda _: None)
    write(describe(prepared, data, settings, tokenizer=None), data.parent)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two runs."""
    path = tmp_path_factory.mktemp("work")
    prepare(path, "monday", subject="apple")
    prepare(path, "tuesday", subject="pear")
    return path


def test_show_prints_conversations(folder: Path) -> None:
    """The first rows of a split, without color in a log."""
    done = mlops(folder, "show", "monday", "--split", "test", "--rows", "2")
    assert (done.returncode, done.stdout.count("is fine"), done.stderr) == (0, 2, "")
    assert "\x1b" not in done.stdout


def test_diff_says_whether_to_train_again(folder: Path) -> None:
    """Exit code 0 is worth it, 1 a considered no; the reason is on the last line."""
    worth = mlops(folder, "diff", "monday", "tuesday")
    assert worth.returncode == 0, worth.stderr
    assert worth.stdout.splitlines()[-1].startswith("worth training again: 100.0 % of the rows are new")
    not_worth = mlops(folder, "diff", "monday", "monday")
    assert not_worth.returncode == 1
    assert not_worth.stderr.splitlines()[-1] == "not worth training again: monday is too much like monday"


def test_card_is_written_again(folder: Path) -> None:
    """From data-card.json alone, the same as before."""
    page = folder / "runs" / "monday" / "data-card.html"
    before = page.read_text()
    page.unlink()
    assert mlops(folder, "card", "monday").stdout.strip() == "runs/monday/data-card.html"
    assert page.read_text() == before


@pytest.mark.parametrize("arguments", [("show", "friday"), ("card", "friday"), ("diff", "monday", "friday")])
def test_a_run_that_is_not_there(folder: Path, arguments: tuple[str, ...]) -> None:
    """The message says what to run first."""
    done = mlops(folder, *arguments)
    assert done.returncode == 2
    assert "friday" in done.stderr
    assert "python -m pipelines.prepare" in done.stderr
    assert "Traceback" not in done.stderr


def test_conversations_that_a_job_prepared_are_elsewhere(folder: Path) -> None:
    """The run has its record, and no training data: the message says how to fetch it."""
    (folder / "runs" / "clustered").mkdir()
    (folder / "runs" / "clustered" / "prepare.json").write_text("{}")
    done = mlops(folder, "show", "clustered")
    assert done.returncode == 2
    assert "--environment NAME, to fetch it" in " ".join(done.stderr.split())


def test_rows_must_be_a_number(folder: Path) -> None:
    """Bad arguments are named."""
    done = mlops(folder, "show", "monday", "--rows", "-1")
    assert done.returncode == 2
    assert "give 1 or more" in done.stderr


@pytest.mark.parametrize(
    ("model", "tags", "said"),
    [
        ("azureml:theirs:1", {}, "there is none"),
        ("azureml:theirs:1", {"data": "s3://bucket"}, "s3://bucket"),
        ("azureml://registries/azureml/models/Phi-4/versions/7", {"data": "azureml:chat:1"}, "there is none"),
    ],
)
def test_a_model_that_others_registered_has_no_data_to_fetch(
    model: str, tags: dict[str, str], said: str, mocker: MockerFixture
) -> None:
    """Without our tag, or from a registry: a sentence that names the model, and what to do."""
    serving = Endpoint("chat", "https://x", {"blue": 100}, {}, {}, {"blue": "Succeeded"}, {}, {})
    workspace: Any = mocker.MagicMock()
    workspace.ml.models.get.return_value.tags = tags
    mocker.patch.object(client, "reach", return_value=workspace)
    mocker.patch.object(endpoints, "find", return_value=serving)
    mocker.patch.object(endpoints, "deployed_model", return_value=model)
    download = mocker.patch.object(assets, "download_data")
    with pytest.raises(InputError) as refused:
        data.serving("old", "local")
    assert f"chat serves {model}, whose tag `data` names no data asset ({said})" in str(refused.value)
    download.assert_not_called()
