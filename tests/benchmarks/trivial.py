"""An emulator whose deployments run a trivial program, so that what is measured is the way there and back."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import backend

from mlops.emulator import daemon
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE, Home

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

MODEL = Path(__file__).parents[1] / "emulator" / "models" / "echo"
SIZE = "Standard_DS3_v2"
# So that nothing but the speed of the router bounds what goes through it.
CONCURRENCY = 200
NO_LIMITS = {f"AZUREML_EMULATOR_{limit}": "1000000000" for limit in ("REQUESTS_PER_S", "BYTES_PER_S")}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint with a blue and a green deployment, without traffic."""

    ml: MLClient
    home: Home
    url: str
    key: str
    backends: tuple[str, str]  # where the containers of blue and green answer

    def route(self, traffic: dict[str, int]) -> None:
        """Write the traffic and return when the operation has succeeded."""
        endpoint = self.ml.online_endpoints.get("chat")
        endpoint.traffic = traffic
        self.ml.online_endpoints.begin_create_or_update(endpoint).result()


@contextmanager
def serve(folder: Path, program: str = backend.__file__) -> Iterator[Endpoint]:
    """Start an emulator in the folder, whose containers run `program PORT`, and yield its endpoint."""
    home = daemon.open_home(folder / "home")
    os.environ |= daemon.environment(home)
    os.environ.pop("AZUREML_CURRENT_CLOUD", None)  # in which the SDK keeps an emulator that was here before
    with process([sys.executable, __file__, str(home.root), program], ready=lambda: daemon.health(home) is not None):
        yield _endpoint(home)


@contextmanager
def process(command: list[str], *, ready: Callable[[], bool]) -> Iterator[None]:
    """Run a program, entering when it is ready; end it at exit."""
    with subprocess.Popen(command) as program:
        try:
            deadline = time.monotonic() + 30
            while not ready():
                if program.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{' '.join(command)} did not start.")
                time.sleep(0.05)  # between two looks
            yield
        finally:
            program.terminate()


def _endpoint(home: Home) -> Endpoint:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model, OnlineRequestSettings
    from azure.identity import DefaultAzureCredential

    ml = MLClient(DefaultAzureCredential(), SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE)
    model = ml.models.create_or_update(Model(name="echo", version="1", path=MODEL, type="mlflow_model"))
    endpoint = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="chat")).result()
    settings = OnlineRequestSettings(max_concurrent_requests_per_instance=CONCURRENCY)
    for color in ("blue", "green"):
        deployment = ManagedOnlineDeployment(
            name=color, endpoint_name="chat", model=model.id, instance_type=SIZE, request_settings=settings
        )
        deployment.instance_count = 1
        ml.online_deployments.begin_create_or_update(deployment).result()
    ports = [int((home.deployments / "chat" / color / "port").read_text()) for color in ("blue", "green")]
    return Endpoint(
        ml=ml,
        home=home,
        url=endpoint.scoring_uri,
        key=ml.online_endpoints.get_keys("chat").primary_key,
        backends=(f"http://127.0.0.1:{ports[0]}/score", f"http://127.0.0.1:{ports[1]}/score"),
    )


def _serve_emulator(root: Path, program: str) -> None:
    """Serve the emulator as ever, but for the program in its containers."""
    from mlops.emulator import server
    from mlops.emulator.online import specification

    spec = specification.spec

    def trivial(*arguments: Any, **named: Any) -> Any:
        return replace(spec(*arguments, **named), command=(sys.executable, program))

    specification.spec = trivial
    server.serve(daemon.open_home(root))


if __name__ == "__main__":
    _serve_emulator(Path(sys.argv[1]), sys.argv[2])
