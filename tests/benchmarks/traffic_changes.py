"""That no request is lost while traffic moves: `python tests/benchmarks/traffic_changes.py`.

Clients ask without pause while the traffic is changed at random, 20 times. Every request must be answered, and of those
asked while a split is in effect each deployment must answer its share, within the bound of the binomial distribution.
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import trivial
from kept_alive import Connection, is_good
from kept_alive import field as header
from rich.console import Console
from rich.table import Table

CHANGES, REQUESTS, CLIENTS, SEED = 20, 100_000, 16, 20
# How long after the operation the emulator's data plane follows it, and a little more.
SETTLED_S = 0.2 + 0.3
# Standard deviations: one share in 4 million is farther off by chance.
BOUND = 5.1


@dataclass
class Tally:
    """What the clients saw under one split: who answered while it was in effect, and what was no answer."""

    blue: int
    answered: Counter[bytes] = field(default_factory=Counter)
    is_in_effect: bool = False
    is_full: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, deployment: bytes) -> None:
        """Count an answer."""
        self.answered[deployment] += 1
        if self.answered.total() >= REQUESTS / CHANGES:
            self.is_full.set()

    @property
    def off(self) -> float:
        """Return by how many standard deviations the share of blue is off; infinite where none may be."""
        total, share = self.answered.total(), self.blue / 100
        deviation = math.sqrt(total * share * (1 - share))
        difference = abs(self.answered[b"blue"] - total * share)
        return difference / deviation if deviation else math.inf if difference else 0.0


@dataclass
class Clients:
    """Clients that ask without pause."""

    url: str
    key: str
    tally: Tally
    total: int = 0
    lost: Counter[bytes] = field(default_factory=Counter)
    are_done: bool = False

    async def ask(self) -> None:
        """Ask on one connection until told to stop."""
        connection = await Connection.open(self.url, self.key)
        while not self.are_done:
            tally = self.tally if self.tally.is_in_effect else None
            head = await connection.ask()
            self.total += 1
            if not is_good(head):
                self.lost[head.partition(b"\r\n")[0]] += 1
            elif tally and tally.is_in_effect:  # before and after: the whole way there and back
                tally.count(header(head, b"azureml-model-deployment"))
        connection.close()


def main() -> int:
    """Print the table; return 1 if a request was lost or a share is off."""
    os.environ |= trivial.NO_LIMITS
    with tempfile.TemporaryDirectory() as folder, trivial.serve(Path(folder)) as endpoint:
        start = time.perf_counter()
        tallies, clients = asyncio.run(_change(endpoint))
        seconds = time.perf_counter() - start
    return _report(tallies, clients, seconds)


async def _change(endpoint: trivial.Endpoint) -> tuple[list[Tally], Clients]:
    dice = random.Random(SEED)  # noqa: S311 - repeatable on purpose
    tallies = [Tally(dice.randint(0, 100)) for _ in range(CHANGES)]
    await _route(endpoint, tallies[0])
    clients = Clients(endpoint.url, endpoint.key, tallies[0])
    asking = [asyncio.create_task(clients.ask()) for _ in range(CLIENTS)]
    for number, tally in enumerate(tallies):
        if number:
            clients.tally.is_in_effect = False
            await _route(endpoint, tally)
        clients.tally, tally.is_in_effect = tally, True
        await asyncio.wait((*asking, asyncio.create_task(tally.is_full.wait())), return_when=asyncio.FIRST_COMPLETED)
    clients.are_done = True
    await asyncio.gather(*asking)
    return tallies, clients


async def _route(endpoint: trivial.Endpoint, tally: Tally) -> None:
    await asyncio.to_thread(endpoint.route, {"blue": tally.blue, "green": 100 - tally.blue})
    await asyncio.sleep(SETTLED_S)


def _report(tallies: list[Tally], clients: Clients, seconds: float) -> int:
    table = Table(title="Answers of blue under each split")
    for column in ("written %", "measured %", "requests", "off, standard deviations"):
        table.add_column(column, justify="right")
    for tally in tallies:
        total = tally.answered.total()
        table.add_row(f"{tally.blue}", f"{100 * tally.answered[b'blue'] / total:.2f}", f"{total:,}", f"{tally.off:.2f}")
    Console().print(table)
    worst = max(tally.off for tally in tallies)
    print(f"{clients.total:,} requests in {seconds:.0f} s from {CLIENTS} clients, {CHANGES} splits.")
    verdicts = {
        f"{clients.lost.total()} requests lost {dict(clients.lost) or ''}": not clients.lost,
        f"the share that is farthest off is so by {worst:.2f} standard deviations, at most {BOUND}": worst <= BOUND,
    }
    for sentence, held in verdicts.items():
        print(f"{'held' if held else 'MISSED'}: {sentence}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
