"""Send malformed requests to an emulator of its own: none may be answered 500 or leave a traceback.

    python tests/benchmarks/malformed.py [--requests 10000] [--seed 0]

Routes come from the emulator's own table, bodies from what the SDK sends; hypothesis spoils both.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
from impolite import Connection
from rich.console import Console
from rich.table import Table
from sdk_requests import record
from spoiled import Spoiled, spoiled

from mlops.emulator import daemon
from mlops.emulator.home import Home

# Requests are sent while the next ones are drawn; so many may wait, as some hold megabytes.
_SENDERS, _WAITING = 4, 32


@dataclass
class Outcome:
    """What came back: statuses, the requests that were answered 500 and more or not at all, and tracebacks."""

    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    tracebacks: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, request: Spoiled, status: int) -> None:
        """Count an answer; a status of 0 is none."""
        with self.lock:
            self.statuses[status] += 1
            if status == 0 or status >= 500:
                self.failed.append(f"{status} {request.method} {request.target[:300]} {request.body[:300]!r}")


def main() -> int:
    """Run and print; return 1 if a request was answered 500 or left a traceback."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home, _ = daemon.start(Path(folder) / "home")
        try:
            outcome = run(home, count=arguments.requests, seed=arguments.seed)
        finally:
            daemon.stop(home)
    show(outcome, time.monotonic() - started)
    return 1 if outcome.failed or outcome.tracebacks else 0


def run(home: Home, *, count: int, seed: int) -> Outcome:
    """Send so many spoiled requests, several at a time, and return what came back."""
    sent, outcome = record(home), Outcome()
    own, free = threading.local(), threading.Semaphore(_WAITING)
    pending: list[Future[None]] = []

    def send(request: Spoiled) -> None:
        if not hasattr(own, "connection"):
            own.connection = Connection(home)
        try:
            outcome.note(request, own.connection.send(request))
        finally:
            free.release()

    with ThreadPoolExecutor(_SENDERS) as senders:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(spoiled(home, sent))
        def draw(request: Spoiled) -> None:
            free.acquire()
            pending.append(senders.submit(send, request))

        with suppress(hypothesis.errors.Unsatisfiable):
            draw()
    for each in pending:
        each.result()
    log = home.log.read_text(errors="replace")
    outcome.tracebacks = log[log.index("Traceback") :] if "Traceback" in log else ""
    return outcome


def show(outcome: Outcome, seconds: float) -> None:
    """Print the answers by status, then what was wrong."""
    total = sum(outcome.statuses.values())
    table = Table(title=f"{total} malformed requests in {seconds:.0f} s")
    for column in ("measure", "ours", "floor", "verdict"):
        table.add_column(column)
    for status, count in sorted(outcome.statuses.items()):
        table.add_row(f"answered {status or 'nothing'}", str(count), "", "")
    table.add_row("500 and above, or none", str(len(outcome.failed)), "0", "missed" if outcome.failed else "met")
    tracebacks = outcome.tracebacks.count("Traceback")
    table.add_row("tracebacks", str(tracebacks), "0", "missed" if tracebacks else "met")
    Console(width=120).print(table)
    for line in (*outcome.failed[:40], outcome.tracebacks[:20_000]):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
