"""The faults that were asked for, where they strike the data plane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mlops.emulator.faults.injection import FAULTS
from mlops.emulator.faults.kinds import Crash, Latency, ModelError, Reset, Slow, Status
from mlops.emulator.online.refusals import Refusal, model_error

if TYPE_CHECKING:
    from aiohttp import web

    from mlops.emulator.online.client import Call
    from mlops.emulator.online.containers import Containers


class BreakOff(Exception):  # noqa: N818 - it is what happens to the client
    """The connection to the client is to be broken off."""


async def delay(app: web.Application, call: Call) -> Status | Reset | None:
    """Wait as long as a fault says, and return the fault that takes the place of the answer, if one does."""
    faults, facts = app[FAULTS], {"method": call.method.decode(), "path": call.path}
    if latency := faults.take(Latency, **facts):
        await asyncio.sleep(latency.latency_s)
    return faults.take(Reset, **facts) or faults.take(Status, **facts)


def answer(fault: Status | Reset) -> Exception:
    """Return what is raised in the place of an answer."""
    if isinstance(fault, Reset):
        return BreakOff()
    after = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
    return Refusal(fault.status, "This is a fault that was asked for (mlops emulator fault list).", after)


async def strike(app: web.Application, deployment_id: str, containers: Containers) -> None:
    """Crash or slow a deployment down, or raise the refusal that hides its error."""
    faults, (endpoint, _, deployment) = app[FAULTS], deployment_id.split("/")[-3:]
    facts = {"endpoint": endpoint, "deployment": deployment}
    if faults.take(Crash, **facts):
        containers.kill()
    if slow := faults.take(Slow, **facts):
        await asyncio.sleep(slow.latency_s)
    if error := faults.take(ModelError, **facts):
        raise Refusal(424, "This is a fault that was asked for.", model_error(error.status))
