"""What the data plane knows: the containers of every deployment, and the traffic that is in effect."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from mlops.emulator.online.containers import Containers, Spec

if TYPE_CHECKING:
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


class Fleet:
    """All containers of this emulator, by the ARM id of their deployment, and all routes, by endpoint."""

    def __init__(self, supervisor: Supervisor, *, propagation_delay_s: float) -> None:
        self.session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
        )
        self.propagation_delay_s = propagation_delay_s
        self.routes: dict[str, Route] = {}
        self._supervisor = supervisor
        self._serving: dict[str, Containers] = {}
        self._starting: dict[str, Containers] = {}

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

    async def propagate(self, endpoint: Document) -> None:
        """Let the maps of an endpoint's document take effect, a delay after the operation that wrote them."""
        await asyncio.sleep(self.propagation_delay_s)
        self.routes[endpoint["name"]] = Route.of(endpoint)

    async def close(self) -> None:
        """End every container."""
        every = (*self._serving.values(), *self._starting.values())
        await asyncio.gather(*(containers.stop() for containers in every))
        await self.session.close()

    def _containers(self, spec: Spec, folder: Path) -> Containers:
        return Containers(spec, folder=folder, supervisor=self._supervisor, session=self.session)


FLEET = web.AppKey("fleet", Fleet)
