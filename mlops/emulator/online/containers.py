"""The containers behind a deployment: started, probed, started again when they end, shared out by slots."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from mlops.emulator.supervisor import Supervisor

LOG = "inference-server.log"

_POLL_S = 0.2
# Kubernetes waits 10 s to 5 min before it starts a crashed container again; here nobody has that long.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 10.0


class NotReadyError(Exception):
    """No container of the deployment is up."""


class TooManyPendingError(Exception):
    """The deployment has as many requests in flight as it may."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a deployment runs, and how much it takes on."""

    command: tuple[str, ...]  # the port is added as its last argument
    environment: Mapping[str, str]
    instances: int
    concurrency: int  # requests at once in one container
    startup_s: float  # how long a container may take until its first good probe
    period_s: float  # how often a container is probed from then on
    failures: int  # how many bad probes in a row end it
    probe_timeout_s: float
    request_timeout_s: float

    @property
    def most_pending(self) -> int:
        """Return how many requests may be in flight; beyond, the service answers 429."""
        return 2 * self.concurrency * self.instances


@dataclass(frozen=True, eq=False)
class Container:
    """One process that serves the model on a port of its own."""

    process: Process
    url: str

    @property
    def is_alive(self) -> bool:
        """Return whether the process has not ended yet, as far as is known."""
        return self.process.returncode is None


class Containers:
    """All containers of one deployment; a request takes a slot, and waits while all are taken."""

    def __init__(self, spec: Spec, *, folder: Path, supervisor: Supervisor, session: aiohttp.ClientSession) -> None:
        self.spec = spec
        self._folder, self._supervisor, self._session = folder, supervisor, session
        self._slots: asyncio.Queue[Container] = asyncio.Queue()
        self._pending = 0
        self._drained = asyncio.Event()
        self._drained.set()
        self._ready: set[Container] = set()
        self._was_ready = False
        self._firsts: list[asyncio.Future[None]] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def provision(self) -> None:
        """Start them and return when all are ready; stop them and raise NotReadyError if one never is."""
        self._firsts = [asyncio.get_running_loop().create_future() for _ in range(self.spec.instances)]
        self._keepers = [asyncio.ensure_future(self._keep(first)) for first in self._firsts]
        try:
            await asyncio.gather(*self._firsts)
        except NotReadyError:
            await self.stop()
            raise

    def resume(self) -> None:
        """Start them in the background; requests wait for the first to be ready."""
        self._keepers = [asyncio.ensure_future(self._keep(None)) for _ in range(self.spec.instances)]

    async def retire(self) -> None:
        """Let the requests in flight finish, then stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.spec.request_timeout_s):
                await self._drained.wait()
        await self.stop()

    async def stop(self) -> None:
        """End the processes at once."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def cancel(self) -> None:
        """Let `provision`, if it still waits, stop them and raise NotReadyError."""
        for first in self._firsts:
            if not first.done():
                first.set_exception(NotReadyError("The deployment was deleted."))

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Container]:
        """Yield a container that is free, in turn.

        Raises TooManyPendingError where the service answers 429, NotReadyError while all have crashed.
        """
        if self._pending >= self.spec.most_pending:
            raise TooManyPendingError
        self._count(1)
        try:
            container = await self._take()
            try:
                yield container
            finally:
                self._slots.put_nowait(container)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        self._pending += change
        if self._pending:
            self._drained.clear()
        else:
            self._drained.set()

    async def _take(self) -> Container:
        while not self._has_crashed():
            container = await self._slots.get()
            if container in self._ready and container.is_alive:
                return container
        raise NotReadyError("Its containers have crashed and are being started again.")

    def _has_crashed(self) -> bool:
        return self._was_ready and not any(container.is_alive for container in self._ready)

    async def _keep(self, first: asyncio.Future[None] | None) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            reason = await self._run(first)
            if first and not first.done():
                first.set_exception(NotReadyError(reason))
                return
            self._note(f"{reason} Back-off: starting it again in {pause_s:g} s.")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _run(self, first: asyncio.Future[None] | None) -> str:
        try:
            container = await self._launch()
        except OSError as error:
            return f"The container could not be started: {error}."
        try:
            async with asyncio.timeout(self.spec.startup_s):
                if await self._becomes_ready(container):
                    self._admit(container, first)
        except TimeoutError:
            return f"The container was not ready after {self.spec.startup_s:g} s."
        else:
            return await self._ends(container)
        finally:
            self._ready.discard(container)
            await self._supervisor.stop(container.process.pid)

    async def _launch(self) -> Container:
        port = _free_port()
        command = (*self.spec.command, str(port))
        process = await self._supervisor.start_process(
            command, cwd=self._folder, env=self.spec.environment, log=self._folder / LOG
        )
        return Container(process, f"http://127.0.0.1:{port}")

    async def _becomes_ready(self, container: Container) -> bool:
        while container.is_alive:
            if await self._is_healthy(container):
                return True
            await asyncio.sleep(_POLL_S)
        return False

    async def _ends(self, container: Container) -> str:
        """Return, when the container has ended or must, why."""
        bad = 0
        while bad < self.spec.failures:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.spec.period_s):
                    return f"The container exited with code {await container.process.wait()}."
            bad = 0 if await self._is_healthy(container) else bad + 1
        return f"The container's liveness probe failed {bad} times."

    async def _is_healthy(self, container: Container) -> bool:
        timeout = aiohttp.ClientTimeout(total=self.spec.probe_timeout_s)
        try:
            async with self._session.get(f"{container.url}/health", timeout=timeout) as answer:
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _admit(self, container: Container, first: asyncio.Future[None] | None) -> None:
        self._ready.add(container)
        self._was_ready = True
        for _ in range(self.spec.concurrency):
            self._slots.put_nowait(container)
        if first and not first.done():
            first.set_result(None)

    def _note(self, line: str) -> None:
        with (self._folder / LOG).open("a") as log:
            log.write(f"{line}\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
