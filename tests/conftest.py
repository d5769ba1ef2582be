"""One emulator for the whole test run, reached by the real SDK and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from mlops.emulator import daemon
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Home

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.emulator.pytest_plugin import Emulator


@pytest.fixture(scope="session")
def emulator(azureml_emulator: Emulator) -> Home:
    """Return the home of the emulator that all tests share; the package's own pytest plugin runs it."""
    return azureml_emulator.home


@pytest.fixture(scope="session")
def emulator_environment(azureml_emulator: Emulator) -> dict[str, str]:
    """Return the variables that point this process at the emulator, as `eval "$(mlops emulator env)"` does."""
    return azureml_emulator.environment


@pytest.fixture(scope="session")
def ml(emulator_environment: dict[str, str]) -> MLClient:
    """Return the client that any program written for Azure ML would make."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    return MLClient(
        DefaultAzureCredential(),
        emulator_environment["AZURE_SUBSCRIPTION_ID"],
        emulator_environment["AZURE_RESOURCE_GROUP"],
        emulator_environment["AZURE_WORKSPACE_NAME"],
    )


@pytest.fixture(scope="session")
def registry(emulator_environment: dict[str, str]) -> MLClient:
    """Return a client of the registry `azureml`."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    assert emulator_environment
    return MLClient(DefaultAzureCredential(), registry_name="azureml")


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[Path]:
    """Return a folder for an emulator of the test's own; whatever runs there is stopped afterwards."""
    root = tmp_path / "home"
    yield root
    if (root / "port").exists():
        daemon.stop(daemon.open_home(root))


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[[Home], MLClient]:
    """Return a function that points this process at a home for the rest of the test and returns a client of it."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    def connect_to(home: Home) -> MLClient:
        for name, value in daemon.environment(home).items():
            monkeypatch.setenv(name, value)
        # The SDK sets it to the cloud it saw first; once set here, it is restored after the test.
        monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "")
        monkeypatch.delenv("AZUREML_CURRENT_CLOUD")
        return MLClient(DefaultAzureCredential(), SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE)

    return connect_to


RunProgram = Callable[[str, Home], "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run_program() -> RunProgram:
    """Return a function that runs a program against a home with nothing but the variables of `env`."""

    def run(program: str, home: Home) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-c", program],
            env=kept | daemon.environment(home),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
def unique() -> str:
    """Return a name that no other test uses, since all tests share one emulator."""
    return f"t-{uuid4().hex[:12]}"
