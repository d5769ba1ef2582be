"""Containers that cannot start fail their deployment; those that start are ready when their probe says so."""

from __future__ import annotations

import asyncio
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from mlops.emulator.online.container import Container, Probe
from mlops.emulator.online.containers import Containers, NotReadyError, Spec
from mlops.emulator.online.upstream import Upstream
from mlops.emulator.store import Store
from mlops.emulator.supervisor import Supervisor

if TYPE_CHECKING:
    from pathlib import Path


def containers(folder: Path, supervisor: Any, **variables: str) -> Containers:
    """Return the containers of a deployment with two instances."""
    probe = Probe(initial_delay_s=9, period_s=9, timeout_s=9, successes=1, failures=1)
    what = {"command": (sys.executable, "-c", "0"), "folder": folder, "instances": 2, "concurrency": 1}
    spec = Spec(**what, environment=os.environ | variables, liveness=probe, readiness=probe, request_timeout_s=1)
    return Containers(spec, folder=folder, supervisor=supervisor)


def test_a_variable_that_no_process_can_have_fails_the_deployment(tmp_path: Path) -> None:
    """A null byte in a variable is said, instead of waited for."""
    store = Store(tmp_path / "state.db")
    with pytest.raises(NotReadyError, match="could not be started: embedded null byte"):
        asyncio.run(containers(tmp_path, Supervisor(store), A="\0").provision())
    store.close()


def test_a_mistake_of_the_emulator_fails_the_deployment(tmp_path: Path) -> None:
    """Whatever goes wrong with a container, nobody waits for it for ever."""
    supervisor = SimpleNamespace()  # it cannot start anything
    with pytest.raises(NotReadyError, match="The emulator failed"):
        asyncio.run(asyncio.wait_for(containers(tmp_path, supervisor).provision(), 30))


def test_a_container_is_ready_after_so_many_good_answers_in_a_row() -> None:
    """A success threshold of 3 wants three good answers one after the other; a bad one between them begins anew."""
    statuses = iter([503, 200, 200, 503, 200, 200, 200, 503])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % next(statuses))

    async def run() -> bool:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            upstream = Upstream(server.sockets[0].getsockname()[1])
            container = Container(SimpleNamespace(returncode=None), upstream)
            probe = Probe(initial_delay_s=1, period_s=1, timeout_s=5, successes=3, failures=1)
            is_ready = await container.becomes_ready(probe)
            upstream.close()
        return is_ready

    assert asyncio.run(run())
    assert list(statuses) == [503]
