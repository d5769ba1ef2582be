"""What one endpoint may take: its requests and connections by the second, and its bandwidth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.emulator import operations
from mlops.emulator.context import HOME
from mlops.emulator.faults.injection import FAULTS, Faults
from mlops.emulator.online import scoring
from mlops.emulator.online.client import Client
from mlops.emulator.online.container import Container, Probe
from mlops.emulator.online.containers import Containers, Spec
from mlops.emulator.online.fleet import FLEET, Fleet, Route
from mlops.emulator.online.limits import Limits, Usage
from mlops.emulator.online.upstream import Upstream


@given(st.lists(st.floats(0, 0.01), max_size=2000), st.integers(1, 500))
def test_no_more_requests_come_through_than_the_rate(gaps: list[float], rate: int) -> None:
    """However requests are spread, in any time at most the rate's share and a second's worth comes through."""
    usage, now, let_through = Usage(Limits(requests_per_s=rate)), 100.0, 0
    for gap in gaps:
        now += gap
        let_through += usage.request(now)
    assert let_through <= rate * (1 + sum(gaps)) + 1


def test_requests_beyond_the_rate_are_refused_until_time_has_passed() -> None:
    """500 at once are let in, the next is not; a quarter of a second later there is room for 125."""
    usage = Usage(Limits())
    assert sum(usage.request(10.0) for _ in range(600)) == 500
    assert sum(usage.request(10.25) for _ in range(600)) == 125


def test_connections_are_counted_until_they_end() -> None:
    """As many as the limit may be open; who leaves makes room."""
    usage = Usage(Limits(connections=2))
    assert [usage.connect(1.0) for _ in range(3)] == [True, True, False]
    usage.disconnect()
    assert usage.connect(1.0)


def test_bytes_beyond_the_bandwidth_wait() -> None:
    """A second's worth is free; what is sent beyond it is early by the time it takes at the rate."""
    usage = Usage(Limits(bytes_per_s=1000))
    assert usage.transfer(1000, 5.0) == 0
    assert usage.transfer(500, 5.0) == pytest.approx(0.5)
    assert usage.transfer(0, 5.5) == 0


def test_limits_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable raises a limit, as Azure's support does; the others stay as documented."""
    monkeypatch.setenv("AZUREML_EMULATOR_REQUESTS_PER_S", "2000")
    assert Limits.read() == Limits(requests_per_s=2000)
    assert (Limits().connections, Limits().new_connections_per_s, Limits().bytes_per_s) == (500, 500, 5_000_000)


def behind_limits(limits: Limits, use: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Return what `use` makes of an endpoint with these limits and one deployment, which answers 1,000 bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            if await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"x" * 1000)

    async def run() -> Any:
        probe = Probe(initial_delay_s=1, period_s=1, timeout_s=1, successes=1, failures=1)
        what = {"command": (), "environment": {}, "folder": Path(), "instances": 1, "concurrency": 9}
        spec = Spec(**what, liveness=probe, readiness=probe, request_timeout_s=5)
        fleet = Fleet(None, propagation_delay_s=0)
        fleet._limits = limits  # noqa: SLF001 - they come from the environment
        document = {"name": "chat", "id": "/chat", "properties": {"authMode": "Key"}}
        fleet.admit(document, {"primaryKey": "k", "secondaryKey": "l"}, route=Route({"blue": 100}))
        backend = await asyncio.start_server(serve, "127.0.0.1", 0)
        containers = fleet._serving["/chat/deployments/blue"] = Containers(spec, folder=Path(), supervisor=None)  # noqa: SLF001
        upstream = Upstream(backend.sockets[0].getsockname()[1])
        containers._admit(Container(SimpleNamespace(returncode=None), upstream))  # noqa: SLF001 - no process is needed
        app = {FLEET: fleet, FAULTS: Faults(), HOME: None, operations.TASKS: set()}
        door = await asyncio.get_running_loop().create_server(
            lambda: Client(partial(scoring.answer, app), set()), "127.0.0.1", 0
        )
        port = door.sockets[0].getsockname()[1]
        options = {"headers": {"Authorization": "Bearer k"}, "timeout": 10}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/endpoints/chat", **options) as client:
            result = await use(client)
        door.close()
        backend.close()
        return result

    return asyncio.run(run())


def test_the_front_door_answers_429_beyond_the_rate() -> None:
    """What is beyond the requests per second is refused, with its reason and nothing to retry after."""

    async def use(client: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(*(client.get("/score") for _ in range(20)))

    answers = behind_limits(Limits(requests_per_s=4), use)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert "requests per second" in refused[0].text
    assert refused[0].headers["ms-azureml-model-error-reason"] == "rate_limited"
    assert "retry-after" not in refused[0].headers


def test_the_front_door_answers_429_beyond_the_connections() -> None:
    """A connection too many gets a 429; one that is open already is served on."""

    async def use(client: httpx.AsyncClient) -> list[int]:
        first = await client.get("/score")
        async with httpx.AsyncClient(base_url=client.base_url, headers=client.headers) as other:
            second = await other.get("/score")
        return [answer.status_code for answer in (first, second, await client.get("/score"))]

    assert behind_limits(Limits(connections=1), use) == [200, 429, 200]


def test_the_front_door_delays_what_is_beyond_the_bandwidth() -> None:
    """A request ahead of the bandwidth waits, and is told how long in a trailer, for which its answer is chunked."""

    async def use(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        return await client.get("/score"), await client.get("/score")

    free, delayed = behind_limits(Limits(bytes_per_s=700), use)
    assert ("trailer" in free.headers, free.headers["content-length"]) == (False, "1000")
    assert delayed.elapsed.total_seconds() > 0.3
    assert (delayed.status_code, len(delayed.content)) == (200, 1000)
    assert delayed.headers["trailer"] == "ms-azureml-bandwidth-request-delay-ms"
    assert delayed.headers["transfer-encoding"] == "chunked"
