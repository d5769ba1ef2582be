"""Where the pages take what they show from: the workspace, and the records in runs/."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from mlops import settings
from mlops.stage import RUNS
from mlops.workspace import client, endpoints, history, lease, serving

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mlops.rollout.probe import Message, Sample
    from mlops.sections import Settings
    from mlops.workspace.client import Workspace
    from mlops.workspace.history import Job, Point
    from mlops.workspace.serving import ModelVersion, ServingEndpoint

MOST_JOBS = 50
GRACE_S = 5
"""How much longer than the service itself the studio waits for an answer."""


class Source(Protocol):
    """What the pages ask for; nothing of it changes anything."""

    @property
    def title(self) -> str:
        """Return the workspace's name."""

    @property
    def runs(self) -> Path:
        """Return the folder of the runs' records."""

    def jobs(self) -> list[Job]:
        """Return the youngest jobs, with their times."""

    def job(self, name: str) -> Job:
        """Return a job; raises AzureError if there is none."""

    def steps(self, name: str) -> list[Job]:
        """Return the steps of a pipeline."""

    def bindings(self, name: str) -> dict[str, frozenset[str]]:
        """Return which steps each step of a pipeline takes data from."""

    def metrics(self, run: str) -> dict[str, list[Point]]:
        """Return every value of every metric of a job or step."""

    def log(self, address: str) -> str:
        """Return the end of a log."""

    def endpoints(self) -> list[ServingEndpoint]:
        """Return the endpoints."""

    def rollout(self, endpoint: str) -> dict[str, Any] | None:
        """Return what the last to roll out an endpoint said last."""

    def models(self) -> list[ModelVersion]:
        """Return the versions of the model that the releases register."""

    def ask(self, endpoint: ServingEndpoint, messages: Sequence[Message], deployment: str | None) -> Sample:
        """Put a conversation to an endpoint, pinned to a deployment if one is given."""


@dataclass(frozen=True)
class WorkspaceSource:
    """A workspace, on Azure or the emulator, with the records in a folder of runs."""

    workspace: Workspace
    settings: Settings
    runs: Path

    @property
    def title(self) -> str:
        """Return the workspace's name."""
        return self.settings.workspace.name

    def jobs(self) -> list[Job]:
        """Return the youngest jobs, with their times."""
        return history.timed(self.workspace, history.jobs(self.workspace, most=MOST_JOBS))

    def job(self, name: str) -> Job:
        """Return a job; raises AzureError if there is none."""
        return history.job(self.workspace, name)

    def steps(self, name: str) -> list[Job]:
        """Return the steps of a pipeline."""
        return history.steps(self.workspace, name)

    def bindings(self, name: str) -> dict[str, frozenset[str]]:
        """Return which steps each step of a pipeline takes data from."""
        return history.bindings(self.workspace, name)

    def metrics(self, run: str) -> dict[str, list[Point]]:
        """Return every value of every metric of a job or step."""
        return history.metrics(self.workspace, run)

    def log(self, address: str) -> str:
        """Return the end of a log."""
        return history.log(address)

    def endpoints(self) -> list[ServingEndpoint]:
        """Return the endpoints."""
        return serving.serving_endpoints(self.workspace)

    def rollout(self, endpoint: str) -> dict[str, Any] | None:
        """Return what the last to roll out an endpoint said last."""
        return lease.status(self.workspace, endpoint)

    def models(self) -> list[ModelVersion]:
        """Return the versions of the model that the releases register."""
        return serving.model_versions(self.workspace, self.settings.register_.name)

    def ask(self, endpoint: ServingEndpoint, messages: Sequence[Message], deployment: str | None) -> Sample:
        """Put a conversation to an endpoint, pinned to a deployment if one is given."""
        from mlops.rollout.probe import Probe

        deploy = self.settings.deploy
        timeout_s = deploy.request_timeout_s + GRACE_S
        read_key = partial(endpoints.key, self.workspace, endpoint.name)
        probe = Probe(endpoint.scoring_uri, read_key, timeout_s, deploy.max_new_tokens, temperature=0.6)
        return probe.ask(messages, deployment=deployment)


def open_workspace(environment: str) -> WorkspaceSource:
    """Return the workspace of an environment with the runs of this folder; an emulator is started if it asks."""
    loaded = settings.load(environment)
    return WorkspaceSource(client.reach(loaded.workspace), loaded, RUNS)
