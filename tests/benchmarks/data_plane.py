"""What the router costs: `python tests/benchmarks/data_plane.py`, beside nginx `split_clients` and direct calls.

A chat of 1 KB is answered with 1 KB by a trivial program: called directly over HTTP, through the emulator's data plane
over TLS and through nginx over TLS, in turns. wrk measures, or a client in Python where there is no wrk. A program of
idle priority keeps each core from sleeping: waking one costs a virtual machine up to 0.2 ms, and every hop pays it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import trivial
from kept_alive import QUESTION, Connection, is_good
from rich.console import Console
from rich.table import Table

from mlops import ports

ROUNDS, CONNECTIONS = 3, 32
LATENCY_S, THROUGHPUT_S = 2, 4
SPIN = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
MOST_ADDED_MS, LEAST_PER_S = 0.5, 4000
OURS, PEER, DIRECT = "emulator (TLS)", "nginx split_clients (TLS)", "direct (HTTP)"

SCRIPT = """
wrk.method, wrk.body = "POST", '%s'
wrk.headers["Content-Type"], wrk.headers["Authorization"] = "application/json", "Bearer %s"
done = function(summary, latency)
  local errors = summary.errors
  local bad = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  io.write(string.format("LOAD %%f %%f %%f %%d\\n", p50, p99, summary.requests / summary.duration * 1e6, bad))
end
"""
NGINX = """
daemon off; worker_processes 1; pid nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path temp; proxy_temp_path temp;
  fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp;
  split_clients $request_id $color {{ 90% blue; * green; }}
  map $http_azureml_model_deployment $deployment {{ default $http_azureml_model_deployment; "" $color; }}
  upstream blue {{ server {blue}; keepalive 64; }}
  upstream green {{ server {green}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} ssl; keepalive_requests 100000000;
    ssl_certificate {certificate}; ssl_certificate_key {certificate};
    location / {{ proxy_pass http://$deployment; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@dataclass(frozen=True)
class Load:
    """What a client saw in one run."""

    p50_ms: float
    p99_ms: float
    per_s: float
    num_bad: int


def main() -> int:
    """Print the table; return 1 if a floor is missed."""
    os.environ |= trivial.NO_LIMITS
    with tempfile.TemporaryDirectory() as folder, trivial.serve(Path(folder)) as endpoint:
        endpoint.route({"blue": 90, "green": 10})
        with _awake(), _nginx(Path(folder), endpoint) as peers:
            urls = {DIRECT: endpoint.backends[0], OURS: endpoint.url, **peers}
            single = _measure_all(urls, endpoint.key, connections=1, seconds=LATENCY_S)
            crowd = _measure_all(urls, endpoint.key, connections=CONNECTIONS, seconds=THROUGHPUT_S)
    return _report(single, crowd)


@contextmanager
def _awake() -> Iterator[None]:
    """Keep every core from sleeping, where programs of idle priority do not take time from others."""
    count = (os.cpu_count() or 1) if hasattr(os, "SCHED_IDLE") else 0
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for program in spinning:
            program.kill()
            program.wait()


@contextmanager
def _nginx(folder: Path, endpoint: trivial.Endpoint) -> Iterator[dict[str, str]]:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        print("nginx is not installed: ours stands beside direct calls alone.")
        yield {}
        return
    port = ports.free()
    blue, green = (urlsplit(url).netloc for url in endpoint.backends)
    text = NGINX.format(blue=blue, green=green, port=port, certificate=endpoint.home.certificate)
    (folder / "nginx.conf").write_text(text)
    with trivial.process([nginx, "-p", str(folder), "-c", "nginx.conf"], ready=lambda: _answers(port)):
        yield {PEER: f"https://127.0.0.1:{port}/score"}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _measure_all(urls: Mapping[str, str], key: str, *, connections: int, seconds: int) -> dict[str, Load]:
    """Return the median of the rounds for every URL; rounds go round, so that a slow minute is everybody's."""
    runs: dict[str, list[Load]] = {name: [] for name in urls}
    for _ in range(ROUNDS):
        for name, url in urls.items():
            runs[name].append(_measure(url, key, connections=connections, seconds=seconds))
    return {name: _median(loads) for name, loads in runs.items()}


def _median(loads: list[Load]) -> Load:
    return Load(
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
        per_s=statistics.median(load.per_s for load in loads),
        num_bad=sum(load.num_bad for load in loads),
    )


def _measure(url: str, key: str, *, connections: int, seconds: int) -> Load:
    if shutil.which("wrk") is None:
        return asyncio.run(_measure_in_python(url, key, connections=connections, seconds=seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % (QUESTION, key))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script.name, url]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    p50, p99, per_s, bad = output.rpartition("LOAD ")[2].split()
    return Load(float(p50), float(p99), float(per_s), int(bad))


async def _measure_in_python(url: str, key: str, *, connections: int, seconds: int) -> Load:
    times: list[float] = []
    bad: list[bytes] = []
    end = time.perf_counter() + seconds
    await asyncio.gather(*(_ask_until(end, url, key, times, bad) for _ in range(connections)))
    p50, p99 = (statistics.quantiles(times, n=100)[percent - 1] * 1e3 for percent in (50, 99))
    return Load(p50, p99, len(times) / seconds, len(bad))


async def _ask_until(end: float, url: str, key: str, times: list[float], bad: list[bytes]) -> None:
    connection = await Connection.open(url, key)
    while (start := time.perf_counter()) < end:
        head = await connection.ask()
        times.append(time.perf_counter() - start)
        if not is_good(head):
            bad.append(head)
    connection.close()


def _report(single: Mapping[str, Load], crowd: Mapping[str, Load]) -> int:
    client = "wrk" if shutil.which("wrk") else "a client in Python, since wrk is not installed"
    table = Table(title=f"Data plane, 1 KB there and 1 KB back, by {client}")
    columns = ("", "p50 ms", "added ms", "p99 ms", f"p50 ms, {CONNECTIONS} at once", "requests/s", "bad")
    for column in columns:
        table.add_column(column, justify="left" if not column else "right")
    for name in single:
        one, many = single[name], crowd[name]
        added = one.p50_ms - single[DIRECT].p50_ms
        times = [f"{value:.3f}" for value in (one.p50_ms, added, one.p99_ms, many.p50_ms)]
        table.add_row(name, *times, f"{many.per_s:,.0f}", str(one.num_bad + many.num_bad))
    Console().print(table)
    return _judge(single, crowd)


def _judge(single: Mapping[str, Load], crowd: Mapping[str, Load]) -> int:
    added, per_s = single[OURS].p50_ms - single[DIRECT].p50_ms, crowd[OURS].per_s
    num_bad = single[OURS].num_bad + crowd[OURS].num_bad
    verdicts = {
        f"added latency {added:.3f} ms, at most {MOST_ADDED_MS} ms": added <= MOST_ADDED_MS,
        f"{per_s:,.0f} requests/s, at least {LEAST_PER_S:,}": per_s >= LEAST_PER_S,
        f"{num_bad} requests without a 200, at most 0": num_bad == 0,
    }
    for sentence, held in verdicts.items():
        print(f"{'held' if held else 'MISSED'}: {sentence}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
