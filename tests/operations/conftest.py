"""An endpoint that somebody else made, with a blue and a green echo behind it, on the emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from rich.console import Console

from mlops.emulator import daemon
from mlops.operations import conversations, rollouts
from mlops.operations.site import Site
from mlops.rollout import preflight
from mlops.settings import load
from mlops.workspace import deployments, endpoints
from mlops.workspace.assets import register_model

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home
    from mlops.rollout.state import State

ECHO = Path(__file__).parents[1] / "emulator" / "models" / "echo"
OURS = {"owner": "another team", "cost-center": "42"}
DESCRIPTION = "Made by hand, long before."
MODEL: dict[str, Any] = {"tags": {"finetuning_job": "echo", "model_sha256": "echo"}, "content": "model_sha256"}
VARIABLES = {
    "MLOPS_WORKSPACE__EMULATOR": "false",
    "MLOPS_DEPLOY__INSTANCE_TYPE": "Standard_DS3_v2",
    "MLOPS_ROLLOUT__MIN_REQUESTS": "8",
    "MLOPS_ROLLOUT__RETAIN_S": "3600",
    "MLOPS_ROLLOUT__MAX_LATENCY_RATIO": "20",  # echoes answer in a millisecond, or two
}


class Place(Site):
    """A site with what the tests do there."""

    home: Home

    def seen(self) -> int:
        """Return the number of the last request that the emulator saw."""
        return int(daemon.request(self.home, "/_emulator/requests")[-1]["sequence"])

    def writes(self, since: int) -> list[dict[str, int]]:
        """Return the traffic of every write to the endpoint after a request, that Azure accepted."""
        found = daemon.request(self.home, f"/_emulator/requests?since={since}")
        puts = [r for r in found if r["method"] == "PUT" and r["path"].endswith(f"/onlineEndpoints/{self.endpoint}")]
        return [put["body"]["properties"].get("traffic", {}) for put in puts if put["status"] < 300]

    def reset(self, **traffic: int) -> None:
        """Let an endpoint have this traffic, and no rollout."""
        current = self.workspace.ml.online_endpoints.get(self.endpoint)
        current.traffic, current.mirror_traffic = traffic, {}
        current.tags = {name: value for name, value in current.tags.items() if not name.startswith("rollout-")}
        self.workspace.ml.online_endpoints.begin_create_or_update(current).result()

    def roll_out(self, candidate: str = "green", run: str = "run") -> State:
        """Roll a color out, as the stage does."""
        with rollouts.crew(self, candidate=candidate, examples=conversations.of_smoke(), id=run) as crew:
            now = crew.runner.clock.now()
            first = preflight.begin(crew.endpoint, self.settings.rollout, id=run, candidate=candidate, at=now)
            return rollouts.run(crew, first)


@pytest.fixture(scope="session")
def name(ml: MLClient) -> Iterator[str]:
    """Return the name of the one endpoint of these tests, with two echoes; each test resets its traffic and tags."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    name = f"ops-{uuid4().hex[:10]}"
    wanted = ManagedOnlineEndpoint(name=name, auth_mode="key", tags=OURS, description=DESCRIPTION)
    ml.online_endpoints.begin_create_or_update(wanted).result()
    settings = load("local", variables=VARIABLES | {"MLOPS_DEPLOY__ENDPOINT": name})
    site = Site("local", settings, Console(quiet=True))
    model = register_model(site.workspace, str(ECHO), name=f"echo-{name}", description="", **MODEL)
    for color in ("blue", "green"):
        deployments.deploy(site.workspace, color, model=model, settings=settings.deploy, tags={"run": color})
    yield name
    if endpoints.find(site.workspace, name):
        endpoints.delete(site.workspace, name)


@pytest.fixture
def make_place(name: str, emulator: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Place]:
    """Return a function that opens the endpoint with some settings, in a folder without any files."""
    monkeypatch.chdir(tmp_path)

    def make(**settings: Any) -> Place:
        given = {f"MLOPS_{key.upper()}": str(value) for key, value in settings.items()}
        loaded = load("local", variables=VARIABLES | {"MLOPS_DEPLOY__ENDPOINT": name} | given)
        place = Place("local", loaded, Console(quiet=True))
        object.__setattr__(place, "home", emulator)
        return place

    return make


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """Return the endpoint with blue serving everybody, green waiting, and no rollout."""
    place = make_place()
    place.reset(blue=100)
    return place
