"""The MLflow server: started by whoever asks it first, shut to those without a token, back when it was killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import httpx
import psutil

from mlops.emulator import daemon, tls
from mlops.emulator.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home


def test_server_starts_when_asked_and_comes_back(own_home: Path, connect: Callable[[Home], MLClient]) -> None:
    """The first request starts the server; it outlives a killed emulator, and comes back when it is killed itself."""
    home, _ = daemon.start(own_home)
    ml = connect(home)
    experiments = f"{ml.workspaces.get().mlflow_tracking_uri}/api/2.0/mlflow/experiments"
    token = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
    with httpx.Client(verify=tls.client_context(home), timeout=600) as client:
        assert client.post(f"{experiments}/create", json={"name": "asked"}).status_code == 401
        assert not [each for each in psutil.process_iter(["cmdline"]) if _serves(each, home)]
        assert (
            client.post(f"{experiments}/create", json={"name": "asked"}, headers=token).json()["experiment_id"] == "1"
        )

        server = _find(home)
        port = (Store(home.state).get("/_emulator/tracking") or {})["port"]
        assert client.get(f"http://127.0.0.1:{port}/version", headers=token).status_code == 401
        os.kill(daemon.health(home)["pid"], signal.SIGKILL)
        daemon.start(own_home)
        assert _find(home).pid == server.pid
        server.kill()
        server.wait()
        found = client.get(f"{experiments}/get", params={"experiment_id": "1"}, headers=token)
    assert found.json()["experiment"]["name"] == "asked"


def _find(home: Home) -> psutil.Process:
    (found,) = [each for each in psutil.process_iter(["cmdline"]) if _serves(each, home)]
    return found


def _serves(process: psutil.Process, home: Home) -> bool:
    return str(home.jobs / "mlflow.db") in (process.info["cmdline"] or [])
