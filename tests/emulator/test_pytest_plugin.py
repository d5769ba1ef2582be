"""Other projects use the emulator in three lines, whether they run pytest on one worker or on many."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

_DOCUMENT = Path(__file__).parents[2] / "docs/emulator.md"
_TESTS = """
import json
import os
import ssl
import urllib.request

import pytest


@pytest.mark.parametrize("number", range(4))
def test_the_variables_lead_to_the_emulator(azureml_emulator, number):
    context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    with urllib.request.urlopen(os.environ["ARM_CLOUD_METADATA_URL"], context=context) as reply:
        assert json.load(reply)[0]["resourceManager"] == f"{azureml_emulator.url}/"
    with open("emulators.txt", "a") as file:
        file.write(f"{azureml_emulator.url} {os.getpid()}\\n")
"""
_FAULTS_AND_RESET = """
import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import AmlCompute
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential


def test_faults_and_reset(azureml_emulator):
    variables = azureml_emulator.environment
    names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_WORKSPACE_NAME")
    ml = MLClient(DefaultAzureCredential(), *(variables[name] for name in names))
    ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
    with azureml_emulator.faults.injected("status", path="*/computes/cpu", status=404):
        with pytest.raises(ResourceNotFoundError):
            ml.compute.get("cpu")
        assert [fault["hits"] for fault in azureml_emulator.faults.list()] == [1]
    assert azureml_emulator.faults.list() == []
    assert ml.compute.get("cpu").name == "cpu"
    azureml_emulator.reset()
    assert list(ml.compute.list()) == []
"""


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Nothing of this run of pytest, such as being one of its workers.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    args = [sys.executable, "-m", "pytest", "-q", f"--basetemp={folder}/temporary", *arguments]
    return subprocess.run(args, cwd=folder, env=kept, capture_output=True, text=True, timeout=240, check=False)


def test_all_workers_share_one_emulator_that_ends_with_them(tmp_path: Path) -> None:
    """A project's tests get a client in three lines; two workers use one emulator, and none is left afterwards."""
    (tmp_path / "test_project.py").write_text(_TESTS)
    outcome = _pytest(tmp_path, "-n", "2")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    used = [line.split() for line in (tmp_path / "emulators.txt").read_text().splitlines()]
    assert len({url for url, _ in used}) == 1
    assert len({pid for _, pid in used}) == 2
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert left == []


def test_the_documents_example_runs_and_faults_and_reset_are_at_hand(tmp_path: Path) -> None:
    """What `docs/emulator.md` shows works as it is; the fixture injects faults and forgets everything when told to."""
    _, _, section = _DOCUMENT.read_text().partition("## In your tests")
    (tmp_path / "test_documented.py").write_text(section.partition("```python\n")[2].partition("```")[0])
    (tmp_path / "test_project.py").write_text(_FAULTS_AND_RESET)
    outcome = _pytest(tmp_path)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "2 passed" in outcome.stdout


def test_projects_that_do_not_use_it_pay_nothing(tmp_path: Path) -> None:
    """That the plugin is installed imports nothing of the emulator's libraries."""
    (tmp_path / "test_project.py").write_text(
        "import sys\n\n\ndef test_light():\n"
        "    heavy = {'aiohttp', 'azure.ai.ml', 'pydantic', 'mlflow', 'mlops.emulator.daemon'}\n"
        "    assert 'mlops.emulator.pytest_plugin' in sys.modules\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    outcome = _pytest(tmp_path, "-p", "no:schemathesis", "-p", "no:anyio")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
