"""The emulator's child processes: they never outlive it, even when it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from typing import TYPE_CHECKING

import psutil
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from mlops.emulator.store import Document, Store

_PROCESSES = "/_emulator/processes"
_GRACE_S = 3.0


class Supervisor:
    """Start children in sessions of their own and remember them, so that no restart leaves one behind."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def start_process(
        self,
        args: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        survives: bool = False,
        stdin: int = DEVNULL,
        pass_fds: Sequence[int] = (),
    ) -> Process:
        """Start a child whose output is appended to `log`.

        A child that `survives` is not ended by the next start after the emulator was killed; who
        started it looks it up again with `is_alive`. A graceful stop ends it like any other.
        """
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *args,
                cwd=cwd,
                env=env,
                stdin=stdin,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        record = {"pid": process.pid, "created": _created(process.pid), "survives": survives}
        self._store.put(f"{_PROCESSES}/{process.pid}", record)
        return process

    def is_alive(self, pid: int) -> bool:
        """Return whether the recorded child still runs, and is not another program with its number."""
        record = self._store.get(f"{_PROCESSES}/{pid}")
        return record is not None and _is_running(record)

    async def stop(self, pid: int) -> None:
        """End the child and what it started: ask first, then kill."""
        record = self._store.get(f"{_PROCESSES}/{pid}")
        if record is not None and _is_running(record):
            _signal_group(pid, signal.SIGTERM)
            await _until_ended(record)
            _signal_group(pid, signal.SIGKILL)
        self._store.delete(f"{_PROCESSES}/{pid}")

    async def stop_all(self) -> None:
        """End every child."""
        await asyncio.gather(*(self.stop(record["pid"]) for record in self._store.children(_PROCESSES)))

    async def stop_orphans(self) -> None:
        """End the children that a killed emulator left, but for those meant to survive it."""
        records = [record for record in self._store.children(_PROCESSES) if not record["survives"]]
        await asyncio.gather(*(self.stop(record["pid"]) for record in records))


SUPERVISOR = web.AppKey("supervisor", Supervisor)


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """End the orphans of a killed emulator first, and every child last."""
    await app[SUPERVISOR].stop_orphans()
    yield
    await app[SUPERVISOR].stop_all()


def _created(pid: int) -> float | None:
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:  # it has ended already
        return None


def _is_running(record: Document) -> bool:
    # The pid alone proves nothing: the system gives it to another program once this one has ended.
    try:
        process = psutil.Process(record["pid"])
        return bool(process.create_time() == record["created"] and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def _until_ended(record: Document) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            while _is_running(record):  # noqa: ASYNC110 - a child of an earlier emulator gives no event
                await asyncio.sleep(0.02)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)
