"""Measure the control plane: 100 requests/s from 50 clients, with 10,000 stored jobs.

    python tests/benchmarks/control_plane.py [--jobs 10000] [--seconds 20]

Latencies count from the moment a request was due, so that a server that falls behind cannot hide it. The peer is the
same server, over the same connections at the same rate, answering a constant that it reads from nowhere.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sqlite3
import ssl
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from rich.console import Console
from rich.table import Table

from mlops.emulator import daemon, tls
from mlops.emulator.context import WORKSPACE
from mlops.emulator.home import RESOURCE_GROUP, SUBSCRIPTION
from mlops.emulator.home import WORKSPACE as NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.emulator.home import Home

    Call = tuple[str, str, str, dict[str, Any] | None]

_CLIENTS, _RATE = 50, 100.0
_READ_MS, _WRITE_MS = 10.0, 30.0
_BASE = WORKSPACE.format(subscription=SUBSCRIPTION, group=RESOURCE_GROUP, workspace=NAME)
_ENDED = {"Completed", "Failed", "Canceled"}
_CLUSTER = {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2"}}}
_DATA = {"properties": {"dataUri": "azureml://datastores/workspaceblobstore/paths/x", "dataType": "uri_folder"}}
_ENDPOINT = {"location": "local", "properties": {"authMode": "Key"}}
_ENVIRONMENT = {"properties": {"image": "ubuntu"}}
_JOB = {"properties": {"jobType": "Command", "command": "true", "environmentId": f"{_BASE}/environments/e/versions/1"}}


def main() -> int:
    """Run and print; return 1 if a floor is missed."""
    parser = argparse.ArgumentParser(description="Measure the control plane.")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home, _ = daemon.start(Path(folder) / "home")
        try:
            asyncio.run(_prepare(home))
            daemon.stop(home)
            _multiply(home, arguments.jobs)
            daemon.start(home.root)
            measured = asyncio.run(_measure(home, arguments.seconds))
        finally:
            daemon.stop(home)
    return show(measured, jobs=arguments.jobs)


def _calls(round_: Iterator[int]) -> Iterator[Call]:
    """Yield requests in turn, each with its kind: four reads to one write, and the peer as often as writes."""
    reads = [
        "jobs/job-{}",
        "computes/cpu",
        "data/data/versions/1",
        "onlineEndpoints/endpoint",
        "environments/e/versions/1",
    ]
    for number in round_:
        name = f"new-{number % 360}"  # a region holds 100 endpoints, which are a quarter of these
        yield "read", "GET", f"{_BASE}/{reads[number % len(reads)]}".format(number % 1000), None
        yield "read", "GET", f"{_BASE}/jobs/job-{(number * 7919) % 1000}", None
        yield "list", "GET", f"{_BASE}/jobs?$top=50", None
        writes: list[tuple[str, dict[str, Any]]] = [
            (f"data/{name}/versions/1", _DATA),
            (f"computes/{name}", _CLUSTER),
            (f"jobs/job-{number % 1000}", {"properties": {**_JOB["properties"], "displayName": name}}),
            (f"onlineEndpoints/{name}", _ENDPOINT),
        ]
        path, body = writes[number % len(writes)]
        yield "write", "PUT", f"{_BASE}/{path}", body
        yield "peer", "GET", "/_emulator/health", None


async def _measure(home: Home, seconds: float) -> dict[str, list[float]]:
    """Return the latencies in seconds by kind; raise RuntimeError for an answer that is an error."""
    calls, measured = _calls(itertools.count()), defaultdict[str, list[float]](list)
    sessions = [_session(home) for _ in range(_CLIENTS)]
    token = await _token(home, sessions[0])
    for session in sessions:
        session.headers["Authorization"] = f"Bearer {token}"
    await asyncio.gather(*(_send(home, session, "GET", "/_emulator/health", None) for session in sessions))
    started = time.perf_counter()

    async def client(number: int) -> None:
        for turn in itertools.count():
            due = started + (number + turn * _CLIENTS) / _RATE
            if due > started + seconds:
                return
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            kind, *call = next(calls)
            await _send(home, sessions[number], *call)
            measured[kind].append(time.perf_counter() - due)

    await asyncio.gather(*(client(number) for number in range(_CLIENTS)))
    await asyncio.gather(*(session.close() for session in sessions))
    return measured


async def _prepare(home: Home) -> None:
    """Make what is read later, and one job that has run to its end."""
    async with _session(home) as session:
        session.headers["Authorization"] = f"Bearer {await _token(home, session)}"
        made = {"computes/cpu": _CLUSTER, "data/data/versions/1": _DATA, "onlineEndpoints/endpoint": _ENDPOINT}
        for path, body in {**made, "environments/e/versions/1": _ENVIRONMENT, "jobs/job-0": _JOB}.items():
            await _send(home, session, "PUT", f"{_BASE}/{path}", body)
        while True:
            job = await _send(home, session, "GET", f"{_BASE}/jobs/job-0", None)
            if job["properties"]["status"] in _ENDED:
                return
            await asyncio.sleep(0.2)


def _multiply(home: Home, count: int) -> None:
    """Store the ended job again and again under other names."""
    with closing(sqlite3.connect(home.state)) as database, database:
        found = database.execute(
            "SELECT id, parent, body FROM resources WHERE id LIKE '%/job-0%' ORDER BY sequence"
        ).fetchall()
        for number in range(1, count):
            for id_, parent, body in found:
                name = f"job-{number}"
                row = (id_.replace("job-0", name), parent.replace("job-0", name), body.replace(b"job-0", name.encode()))
                database.execute("INSERT INTO resources (id, parent, body) VALUES (?, ?, ?)", row)


def _session(home: Home) -> aiohttp.ClientSession:
    context: ssl.SSLContext = tls.client_context(home)
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1, ssl=context, keepalive_timeout=60))


async def _token(home: Home, session: aiohttp.ClientSession) -> str:
    headers = {"X-IDENTITY-HEADER": home.identity_header}
    async with session.get(f"{home.url}/msi/token?resource={home.url}", headers=headers) as reply:
        return str((await reply.json())["access_token"])


async def _send(home: Home, session: aiohttp.ClientSession, method: str, path: str, body: Any) -> Any:
    data = None if body is None else orjson.dumps(body)
    headers = {"Content-Type": "application/json"} if data else {}
    async with session.request(method, home.url + path, data=data, headers=headers) as reply:
        text = await reply.read()
        if not reply.ok:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:500]!r}")
        return orjson.loads(text)


def show(measured: dict[str, list[float]], *, jobs: int) -> int:
    """Print the medians against their floors and the peer; return 1 if one is missed."""
    table = Table(title=f"{_RATE:g} requests/s from {_CLIENTS} clients, {jobs:,} stored jobs")
    for column in ("measure", "ours p50", "ours p99", "peer p50", "ratio", "floor", "verdict"):
        table.add_column(column)
    peer, missed = statistics.median(measured["peer"]) * 1000, 0
    floors = {"read": _READ_MS, "list": _READ_MS, "write": _WRITE_MS}
    for kind, floor in floors.items():
        cuts = statistics.quantiles(measured[kind], n=100)
        median, worst = statistics.median(measured[kind]) * 1000, cuts[98] * 1000
        verdict = "met" if median < floor else "missed"
        missed += verdict == "missed"
        label = f"{kind} ({len(measured[kind])})"
        figures = (f"{median:.1f} ms", f"{worst:.1f} ms", f"{peer:.1f} ms", f"{median / peer:.1f}")
        table.add_row(label, *figures, f"< {floor:g} ms", verdict)
    Console(width=120).print(table)
    print("peer: GET /_emulator/health of the same server, in the same run")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
