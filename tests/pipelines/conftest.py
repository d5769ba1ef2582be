"""Releases on an emulator of their own, run by the commands a person would type; all in one xdist group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from mlops.emulator import daemon
from mlops.emulator.home import Home
from mlops.records import STAGES, unseal
from mlops.settings import load
from mlops.workspace.client import connect
from tests.releases import SMALL

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

CREATED = 201


@dataclass(frozen=True)
class Site:
    """A folder to release from, and the emulator in it."""

    folder: Path

    @property
    def home(self) -> Home:
        """Return the emulator's home."""
        return daemon.open_home(self.folder / "emulator")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start `python -m ...` here."""
        own = {"AZUREML_EMULATOR_HOME": str(self.folder / "emulator"), **SMALL, **variables}
        command = [sys.executable, "-m", *arguments]
        # Nothing else of this process's environment: other tests have pointed it at an emulator of their own.
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME") if name in os.environ}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=kept | own, stdout=pipe, stderr=pipe, text=True)

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m ...` here, and return what it printed and its exit code."""
        with self.start(*arguments, **variables) as process:
            stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def program(self, name: str, run: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one program of `pipelines`."""
        return self.command(f"pipelines.{name}", "--environment", "local", "--run", run, **variables)

    def record(self, run: str, stage: str) -> Any:
        """Return the record that a stage left."""
        path = self.folder / "runs" / run / f"{stage}.json"
        return unseal(STAGES[stage], path.read_bytes(), where=str(path))

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the control-plane requests the emulator saw after a sequence number."""
        found: list[dict[str, Any]] = daemon.request(self.home, f"/_emulator/requests?since={since}")
        return found

    def traffic_writes(self, since: int = 0) -> list[dict[str, int]]:
        """Return every traffic map that was written to an endpoint after its creation; none is no traffic for all."""
        puts = [r for r in self.requests(since) if r["method"] == "PUT" and "/onlineEndpoints/" in r["path"]]
        endpoints = [r for r in puts if "/deployments/" not in r["path"] and r["status"] != CREATED]
        return [request["body"]["properties"].get("traffic", {}) for request in endpoints]

    @contextmanager
    def client(self) -> Iterator[MLClient]:
        """Yield a client of this site's workspace; the variables that lead there do not outlive it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("AZUREML_CURRENT_CLOUD", raising=False)
            for variable, value in daemon.environment(self.home).items():
                patch.setenv(variable, value)
            yield connect(load("local", variables={}).workspace).ml

    def model(self, name: str, version: str) -> Any:
        """Return a model of this site's workspace."""
        with self.client() as ml:
            return ml.models.get(name, version)

    def job(self, name: str) -> Any:
        """Return a job of this site's workspace."""
        with self.client() as ml:
            return ml.jobs.get(name)

    def containers(self, deployment: str) -> list[psutil.Process]:
        """Return the processes that serve a deployment."""
        folder = str(self.home.deployments)
        found = [process for process in psutil.process_iter(["cmdline", "cwd"]) if process.info["cwd"]]
        return [
            process
            for process in found
            if process.info["cwd"].startswith(folder)
            and process.info["cwd"].endswith(f"/{deployment}")
            and "mlops.emulator.serving" in process.info["cmdline"]
        ]

    def kill_emulator(self) -> None:
        """End the emulator the hard way."""
        health = daemon.health(self.home)
        assert health is not None
        os.kill(health["pid"], signal.SIGKILL)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return a fresh folder; its emulator is stopped at the end."""
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    if (site.folder / "emulator").exists():
        daemon.stop(site.home)


@dataclass(frozen=True)
class Released:
    """A finished release: where, under which name, and what it printed."""

    site: Site
    run: str
    output: str
    since: int = 0

    @property
    def said(self) -> str:
        """Return what it printed in one line, for sentences are broken where the line is full."""
        return " ".join(self.output.split())

    def __getitem__(self, stage: str) -> Any:
        """Return a stage's record."""
        return self.site.record(self.run, stage)


@pytest.fixture(scope="session")
def first(site: Site) -> Released:
    """Release once, all seven stages by one command."""
    result = site.program("release", "first")
    assert result.returncode == 0, result.stdout + result.stderr
    return Released(site, "first", result.stdout)


@pytest.fixture(scope="session")
def second(first: Released) -> Released:
    """Release again, stage by stage, and kill the emulator after prepare, finetune and evaluate."""
    output, since = "", first.site.requests()[-1]["sequence"]
    for number, stage in enumerate(STAGES):
        # Another job for the same inputs: the first one's would be found and nothing trained.
        result = first.site.program(stage, "second", MLOPS_FINETUNE__TRAINING__NUM_TRAIN_EPOCHS="2")
        assert result.returncode == 0, f"{stage}\n{result.stdout}{result.stderr}"
        output += result.stdout
        if number < 4 and stage != "gate":  # the gate starts no emulator
            first.site.kill_emulator()
    return Released(first.site, "second", output, since)
