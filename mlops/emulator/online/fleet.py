"""What the data plane knows: every endpoint, the traffic in effect there, and the containers of its deployments."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mlops.emulator.online.containers import Containers, Spec
from mlops.emulator.online.limits import Limits, Usage

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from mlops.emulator.store import Document
    from mlops.emulator.supervisor import Supervisor


@dataclass(frozen=True)
class Route:
    """The traffic and mirror maps that requests of one endpoint follow."""

    traffic: dict[str, int] = field(default_factory=dict)
    mirror: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, endpoint: Document) -> Route:
        """Return the maps that an endpoint's document holds."""
        return cls(endpoint["properties"]["traffic"], endpoint["properties"]["mirrorTraffic"])


@dataclass
class Endpoint:
    """An endpoint as the data plane sees it: it changes in place, a while after its document."""

    id: str
    auth_mode: str
    secret: Document
    usage: Usage
    route: Route = field(default_factory=Route)
    num_writes: int = 0
    last_write: int = 0  # the number of the write that is in effect

    def deployment_id(self, name: str) -> str:
        """Return the ARM id of one of its deployments."""
        return f"{self.id}/deployments/{name}"


class Fleet:
    """All endpoints of this emulator by name, and all containers by the ARM id of their deployment."""

    def __init__(self, supervisor: Supervisor, *, propagation_delay_s: float) -> None:
        self.propagation_delay_s = propagation_delay_s
        self.endpoints: dict[str, Endpoint] = {}
        self._limits = Limits.read()
        self._supervisor = supervisor
        self._serving: dict[str, Containers] = {}
        self._starting: dict[str, Containers] = {}

    def admit(self, document: Document, secret: Document, *, route: Route | None = None) -> None:
        """Know an endpoint from now on."""
        mode, usage = document["properties"]["authMode"], Usage(self._limits)
        self.endpoints[document["name"]] = Endpoint(document["id"], mode, secret, usage, route or Route())

    def propagate(self, document: Document, *, delay_s: float) -> Coroutine[Any, Any, None]:
        """Return the work that lets a write to an endpoint take effect, a while after its operation has succeeded."""
        endpoint = self.endpoints[document["name"]]
        endpoint.num_writes += 1
        return self._take_effect(endpoint, endpoint.num_writes, document, delay_s)

    async def _take_effect(self, endpoint: Endpoint, number: int, document: Document, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        if number > endpoint.last_write:  # not overtaken by a later write
            endpoint.last_write = number
            endpoint.route, endpoint.auth_mode = Route.of(document), document["properties"]["authMode"]

    def find(self, deployment_id: str) -> Containers | None:
        """Return the containers that serve a deployment, or None."""
        return self._serving.get(deployment_id.lower())

    async def roll(self, deployment_id: str, spec: Spec, *, folder: Path) -> None:
        """Bring a deployment to its new spec: start, wait until ready, switch, drain the old containers.

        Raises NotReadyError, and then the old containers go on serving.
        """
        key = deployment_id.lower()
        old = self._serving.get(key)
        if old is not None and old.spec == spec:
            return
        new = self._starting[key] = self._containers(spec, folder)
        try:
            await new.provision()
        finally:
            del self._starting[key]
        self._serving[key] = new
        if old is not None:
            await old.retire()

    def resume(self, deployment_id: str, spec: Spec, *, folder: Path) -> None:
        """Start the containers of a deployment that succeeded before this emulator started."""
        containers = self._serving[deployment_id.lower()] = self._containers(spec, folder)
        containers.resume()

    async def remove(self, deployment_id: str) -> None:
        """End the containers of a deployment: at once if they are only starting, else when they are drained."""
        key = deployment_id.lower()
        if key in self._starting:
            self._starting[key].cancel()
        if key in self._serving:
            await self._serving.pop(key).retire()

    async def close(self) -> None:
        """End every container."""
        every = (*self._serving.values(), *self._starting.values())
        await asyncio.gather(*(containers.stop() for containers in every))

    def _containers(self, spec: Spec, folder: Path) -> Containers:
        return Containers(spec, folder=folder, supervisor=self._supervisor)


FLEET = web.AppKey("fleet", Fleet)
