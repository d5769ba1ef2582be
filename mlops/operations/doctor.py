"""What must be true before a release can succeed, looked at one by one; nothing is created or changed."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mlops import credentials
from mlops.compute.allow_list import check_size
from mlops.compute.lifecycle import lifecycle
from mlops.compute.serving import check_quota
from mlops.errors import MlopsError
from mlops.operations import endpoint as endpoints_seen
from mlops.operations.site import Site
from mlops.rollout.writer import SUCCEEDED
from mlops.workspace import assets, client, cluster, quota, states
from mlops.workspace.assets import FoundationModel
from mlops.workspace.endpoints import Endpoint

LOCK: Final = Path(__file__).parents[2] / "requirements.lock"
PROJECT: Final = "chat-mlops"
FREE_GB: Final = 5
"""What data, a model and its checkpoints take on a laptop."""


class Level(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, how it is, and what to do about it."""

    name: str
    level: Level
    said: str


Outcome = tuple[Level, str]


class Doctor:
    """Looks at one environment; what was found is kept for the checks that follow."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def examine(self) -> Iterator[Check]:
        """Yield every check as it is done; without a token or a workspace there is nothing to look at in it."""
        yield from map(examined, (python, packages, disk, self.settings))
        for check in (self.sign_in, self.workspace):
            yield (done := examined(check))
            if done.level is Level.FAILURE:
                return
        yield from map(examined, (self.model, self.size, self.quota, self.cluster, self.serving_quota, self.endpoint))

    def settings(self) -> Outcome:
        """Name the environment and its endpoint."""
        return Level.OK, f"{self._site.environment}: endpoint {self._site.endpoint}"

    def sign_in(self) -> Outcome:
        """Have a token; a failure says what was tried."""
        if self._site.settings.workspace.emulator:
            os.environ.update(client.start_emulator())
        return Level.OK, f"{type(credentials.sign_in()).__name__} has given a token"

    def workspace(self) -> Outcome:
        """Open the workspace."""
        opened = self._site.workspace
        return Level.OK, f"{opened.ml.workspace_name} in resource group {opened.ml.resource_group_name}"

    def model(self) -> Outcome:
        """Look up whether the foundation model can still be fine-tuned."""
        today, wanted = datetime.now(UTC).date(), self._site.settings.finetune.model
        life = lifecycle(self._model.tags, is_archived=self._model.is_archived)
        said = f"{self._model.name} version {self._model.version}: {life.describe(today)}"
        if not life.over(today):
            if not life.retirement:
                return Level.OK, said
            return Level.WARNING, f"{said}; choose another finetune.preset until then"
        if wanted.allow_retired:
            return Level.WARNING, f"{said}; finetune.model.allow_retired insists: be ready to choose another"
        return Level.FAILURE, f"{said}: choose another finetune.preset, see `mlops plan`"

    def size(self) -> Outcome:
        """Look up whether the model may be trained on the cluster's size."""
        wanted = self._site.settings.finetune.cluster.size
        where = check_size(wanted, "finetune", tags=self._model.tags, properties=self._model.properties)
        return Level.OK, f"{wanted} is allowed by the {where}"

    def quota(self) -> Outcome:
        """Look up whether the region has the vCPUs for the cluster."""
        wanted = self._site.settings.finetune.cluster
        offered = {size.name.lower(): size for size in cluster.sizes(self._site.workspace)}
        size = offered.get(wanted.size.lower())
        if size is None:
            return Level.FAILURE, f"{wanted.size} is not offered in this region: choose another finetune.cluster.size"
        left, needed = cluster.quota(self._site.workspace, size, wanted.tier), size.vcpus * wanted.num_nodes
        if left is None:
            return Level.WARNING, (
                f"the service names no quota for {size.family}, {needed} vCPUs are needed: look at Quotas in the portal"
            )
        warning = left.check(needed, size=size.name)
        said = f"{left.free} vCPUs of {left.family} are free, {needed} are needed"
        return (Level.WARNING, warning) if warning else (Level.OK, said)

    def cluster(self) -> Outcome:
        """Look up the cluster."""
        wanted = self._site.settings.finetune.cluster
        if wanted.is_serverless:
            return Level.OK, "serverless: no cluster is needed"
        found = cluster.find(self._site.workspace, wanted.name)
        if found is None:
            return Level.OK, f"{wanted.name} does not exist yet: finetune creates it"
        cluster.check(found, wanted, section="finetune.cluster")
        return Level.OK, f"{wanted.name}: {found.size}, {states.word(found.provisioning_state).lower()}"

    def serving_quota(self) -> Outcome:
        """Look up whether the region has the vCPUs for another deployment beside the one that serves."""
        wanted, found = self._site.settings.deploy, self._site.look()
        there = found.traffic if found else {}
        if found and found.idle_color in there and not found.is_used(found.idle_color):
            return Level.OK, f"the next deployment takes the place of {found.idle_color}, which is idle"
        offered = quota.offer(self._site.workspace, wanted.instance_type)
        return Level.OK, check_quota(offered, num_instances=wanted.instance_count, num_deployments=len(there))

    def endpoint(self) -> Outcome:
        """Look up who serves, and whether a rollout is under way."""
        found = self._site.look()
        if found is None:
            return Level.OK, f"{self._site.endpoint} does not exist yet: deploy creates it"
        return health(found)

    @cached_property
    def _model(self) -> FoundationModel:
        return assets.foundation_model(self._site.workspace, self._site.settings.finetune.model)


def examined(check: Callable[[], Outcome]) -> Check:
    """Return a check's outcome; what it raises for people is a failure."""
    try:
        level, said = check()
    except MlopsError as error:
        level, said = Level.FAILURE, str(error)
    return Check(check.__name__.replace("_", "-"), level, said)


def health(endpoint: Endpoint) -> Outcome:
    """Look at the deployments that users meet: each must have succeeded."""
    told = endpoints_seen.progress(endpoint)
    if not endpoint.live:
        return Level.WARNING, f"{endpoint.name}: nobody serves; {told}. Make a release"
    serving = ", ".join(f"{name} {weight} %" for name, weight in endpoint.live.items())
    down = {name: endpoint.states.get(name, "gone") for name in (*endpoint.live, *endpoint.mirror)}
    if bad := [f"{name} is {state}" for name, state in down.items() if state != SUCCEEDED]:
        return Level.FAILURE, (
            f"{endpoint.name}: {serving}, but {', '.join(bad)}: take it back with `mlops rollback`, or deploy it again"
        )
    return Level.OK, f"{endpoint.name}: {serving}; {told}"


def python() -> Outcome:
    """Compare the interpreter with what the packages are made for."""
    version, wanted = platform.python_version(), metadata.metadata(PROJECT)["Requires-Python"]
    if version not in SpecifierSet(wanted):
        return Level.FAILURE, f"Python {version} at {sys.prefix}: install Python {wanted}"
    return Level.OK, f"Python {version} at {sys.prefix}"


def packages() -> Outcome:
    """Compare what is installed with the locked versions."""
    lines = map(Requirement, filter(None, LOCK.read_text().splitlines()))
    locked = {line.name: str(line.specifier)[2:] for line in lines if line.marker is None or line.marker.evaluate()}
    there = {name: version for name in locked if (version := _installed(name))}
    others = [f"{name} {version}" for name, version in there.items() if version.split("+")[0] != locked[name]]
    if others:
        return Level.WARNING, f"not the locked version: {', '.join(others)}; `nox -s tests` installs those"
    return Level.OK, f"{len(there)} packages at their locked versions"


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def disk() -> Outcome:
    """Look at the room in this folder."""
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < FREE_GB:
        return (
            Level.WARNING,
            f"{free:.1f} GB are free here: a release takes up to {FREE_GB} GB: delete runs, or work on another disk",
        )
    return Level.OK, f"{free:.0f} GB are free"
