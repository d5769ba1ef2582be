"""The containers behind a deployment: started, probed, started again when they end, taken in turns."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from mlops import ports
from mlops.emulator.online.container import Container, Probe
from mlops.emulator.online.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops.emulator.supervisor import Supervisor

LOG = "inference-server.log"

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
    folder: Path  # where it runs
    instances: int
    concurrency: int  # requests at once in one container
    liveness: Probe  # a container that fails it is ended
    readiness: Probe  # a container that fails it gets no requests
    request_timeout_s: float

    @property
    def most_pending(self) -> int:
        """Return how many requests may be in flight; beyond, the service answers 429."""
        return 2 * self.concurrency * self.instances

    @property
    def startup_s(self) -> float:
        """Return how long a container may take until it is ready."""
        return min(self.liveness.startup_s, self.readiness.startup_s)


class Containers:
    """All containers of one deployment; a request takes one that has a slot free, or waits for its turn."""

    def __init__(self, spec: Spec, *, folder: Path, supervisor: Supervisor) -> None:
        self.spec = spec
        self._folder, self._supervisor = folder, supervisor
        self._ready: list[Container] = []  # the one that was taken last is the last
        self._turns: deque[asyncio.Future[Container]] = deque()
        self._pending = 0
        self._drained = asyncio.Event()
        self._drained.set()
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

    def kill(self) -> None:
        """Let every container crash; they are started again as after any crash."""
        for container in self._ready:
            container.process.kill()

    def cancel(self) -> None:
        """Let `provision`, if it still waits, stop them and raise NotReadyError."""
        for first in self._firsts:
            if not first.done():
                first.set_exception(NotReadyError("The deployment was deleted."))

    async def take(self, deadline: float) -> Container:
        """Return the container with the fewest requests, once it has room for another; `give` it back.

        Raises TooManyPendingError where the service answers 429, NotReadyError while all have crashed, TimeoutError if
        none has room before the deadline, a time of the event loop.
        """
        if self._pending >= self.spec.most_pending:
            raise TooManyPendingError
        self._count(1)
        try:
            return self._next() or await self._turn(deadline)
        except BaseException:  # a cancellation, too: it goes on, and the place is free
            self._count(-1)
            raise

    def give(self, container: Container) -> None:
        """Give a container back, to the request that has waited longest."""
        self._count(-1)
        self._release(container)

    def _count(self, change: int) -> None:
        self._pending += change
        if self._pending:
            self._drained.clear()
        else:
            self._drained.set()

    def _next(self) -> Container | None:
        container, fewest = None, self.spec.concurrency
        for each in self._ready:
            if each.num_active < fewest and each.is_alive:
                container, fewest = each, each.num_active
        if container is not None:
            container.num_active += 1
            self._ready.remove(container)
            self._ready.append(container)
        return container

    async def _turn(self, deadline: float) -> Container:
        if self._has_crashed():
            raise NotReadyError("Its containers have crashed or are not ready.")
        turn: asyncio.Future[Container] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        async with asyncio.timeout_at(deadline):
            try:
                return await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled() and not turn.exception():
                    self._release(turn.result())
                raise

    def _release(self, container: Container) -> None:
        container.num_active -= 1
        self._pass_on()

    def _pass_on(self) -> None:
        """Give those who wait what is free; refuse them if nothing will be soon."""
        while self._turns:
            container = self._next()
            if container is None and not self._has_crashed():
                return
            turn = self._turns.popleft()
            if turn.done():  # who waited is gone
                if container is not None:
                    container.num_active -= 1
            elif container is not None:
                turn.set_result(container)
            else:
                turn.set_exception(NotReadyError("Its containers have crashed or are not ready."))

    def _has_crashed(self) -> bool:
        return self._was_ready and not any(container.is_alive for container in self._ready)

    async def _keep(self, first: asyncio.Future[None] | None) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                reason = await self._run(first)
            except Exception as bug:  # a mistake of ours: who waits is told, and it is started again all the same
                logging.getLogger(__name__).exception("A container in %s", self._folder)
                reason = f"The emulator failed, see its log: {bug!r}."
            if first and not first.done():
                first.set_exception(NotReadyError(reason))
                return
            self._note(f"{reason} Back-off: starting it again in {pause_s:g} s.")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _run(self, first: asyncio.Future[None] | None) -> str:
        try:
            container = await self._launch()
        except (OSError, ValueError) as error:  # a ValueError is for a variable that no process can have
            return f"The container could not be started: {error}."
        try:
            async with asyncio.timeout(self.spec.startup_s):
                is_ready = await container.becomes_ready(self.spec.readiness)
            if is_ready:
                self._admit(container)
            if is_ready and first and not first.done():
                first.set_result(None)
        except TimeoutError:
            return f"The container was not ready after {self.spec.startup_s:g} s."
        else:
            return await self._ends(container)
        finally:
            self._dismiss(container)
            container.upstream.close()
            await self._supervisor.stop(container.process.pid)

    async def _launch(self) -> Container:
        port = ports.free()
        command = (*self.spec.command, str(port))
        process = await self._supervisor.start_process(
            command, cwd=self.spec.folder, env=self.spec.environment, log=self._folder / LOG
        )
        return Container(process, Upstream(port))

    async def _ends(self, container: Container) -> str:
        """Return, when the container has ended or must, why."""
        watches = (container.exits(), self._fails_liveness(container), self._follow_readiness(container))
        tasks = [asyncio.create_task(watch) for watch in watches]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            for task in tasks:
                task.cancel()

    async def _fails_liveness(self, container: Container) -> str:
        probe = self.spec.liveness
        await container.until(probe, is_healthy=False, times=probe.failures)
        return f"The container's liveness probe failed {probe.failures} times."

    async def _follow_readiness(self, container: Container) -> NoReturn:
        probe = self.spec.readiness
        while True:
            await container.until(probe, is_healthy=False, times=probe.failures)
            self._note(f"The container's readiness probe failed {probe.failures} times: it gets no requests.")
            self._dismiss(container)
            await container.until(probe, is_healthy=True, times=probe.successes)
            self._admit(container)

    def _admit(self, container: Container) -> None:
        self._ready.append(container)
        self._was_ready = True
        self._pass_on()

    def _dismiss(self, container: Container) -> None:
        if container in self._ready:
            self._ready.remove(container)
            self._pass_on()

    def _note(self, line: str) -> None:
        with (self._folder / LOG).open("a") as log:
            log.write(f"{line}\n")
