"""One container of a deployment: a process that serves the model on a port of its own, and how it is probed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlops.emulator.online.upstream import BrokenError, Unheard, Upstream

if TYPE_CHECKING:
    from asyncio.subprocess import Process

_PROBE = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: kube-probe/1.30\r\n\r\n"
_OK = range(200, 400)  # as Kubernetes has it
# Kubernetes waits the initial delay, then probes once a period; here nobody has that long.
_STARTUP_POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How often a container is asked how it is, and how many answers in a row change what is thought of it."""

    initial_delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int

    @property
    def startup_s(self) -> float:
        """Return how long a container may take until its first good answer."""
        return self.initial_delay_s + self.failures * self.period_s


@dataclass(eq=False)
class Container:
    """One process, the connections to it, and how many requests it is busy with."""

    process: Process
    upstream: Upstream
    num_active: int = 0

    @property
    def is_alive(self) -> bool:
        """Return whether the process has not ended yet, as far as is known."""
        return self.process.returncode is None

    async def exits(self) -> str:
        """Return, when the process has ended, how."""
        return f"The container exited with code {await self.process.wait()}."

    async def becomes_ready(self, probe: Probe) -> bool:
        """Return True when it has answered so many probes in a row as make it ready, or False when it has ended."""
        count = 0
        while self.is_alive:
            count = count + 1 if await self._is_healthy(probe) else 0
            if count >= probe.successes:
                return True
            await asyncio.sleep(_STARTUP_POLL_S)
        return False

    async def until(self, probe: Probe, *, is_healthy: bool, times: int) -> None:
        """Return when it has been found healthy, or not, so many times in a row."""
        count = 0
        while count < times:
            await asyncio.sleep(probe.period_s)
            count = count + 1 if await self._is_healthy(probe) == is_healthy else 0

    async def _is_healthy(self, probe: Probe) -> bool:
        reply = Unheard()
        with suppress(BrokenError, TimeoutError):
            await self.upstream.ask(_PROBE, reply, asyncio.get_running_loop().time() + probe.timeout_s)
        return reply.status in _OK
