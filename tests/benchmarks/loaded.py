"""Users who ask without pause while a controller promotes, rolls back, retires and is killed at every journal line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trivial
from kept_alive import Connection, is_good
from kept_alive import field as header
from row import Row

if TYPE_CHECKING:
    from controlled import Site

REQUESTS: Final = 100_000
CLIENTS: Final = 12
PAUSE_S: Final = 0.02
"""Between two requests of a user: the controllers need some of this machine, too."""
KILLED: Final[dict[str, Any]] = {"min_requests": 4, "concurrency": 4, "max_latency_ratio": 50}
"""For the kills: short rollouts, judged on nothing that a busy machine could upset."""


def rows(site: Site) -> Iterator[Row]:
    """Yield what was lost, what was answered by whom, and how the rollouts ended whose controllers were killed."""
    users, (ends, expected) = asyncio.run(_under_load(site.endpoint, lambda: _campaign(site)))
    total = len(users.answers)
    told = f"{len(users.lost)} of {total:,}, {users.streams:,} of them streams {users.lost[:2] or ''}"
    yield Row("requests lost", told, f"0 of {REQUESTS:,}", not users.lost and total >= REQUESTS)
    early, retired = _astray(users, site.journal)
    yield Row("answers of the candidate before its first weight or after it went back", str(early), "0", early == 0)
    yield Row("answers of a retired deployment", str(retired), "0", retired == 0)
    good = sum(end in ("COMMITTED", "ROLLED_BACK") for end in ends)
    yield Row("recovered after SIGKILL at each journal line", f"{good} of {expected}", "all", good == expected)


def _campaign(site: Site) -> tuple[list[str], int]:
    """Promote, roll back, promote and retire; then kill the controller at each line, and recover each time."""
    site.reset()
    lines_before = len(site.journal)
    site.control("roll_out", **KILLED)
    lines = sum(line["kind"] in ("state", "intent") for line in site.journal[lines_before:])
    site.control("rollback", **KILLED)
    ends = []
    for line in range(lines):
        site.reset()
        site.control("roll_out", kill_at=line, **KILLED)
        ends.append(str(site.control("recover" if line % 2 else "resume", **KILLED)["phase"]))
    site.reset()
    site.control("roll_out", **KILLED | {"retain_s": 0})
    return ends, lines


def _astray(users: Users, journal: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many un-pinned answers green gave while it had no weight, and blue after it was deleted.

    Green has none from the moment a rollback was seen in the answers until the next first write is intended.
    """
    idle, since, gone = [], 0.0, float("inf")
    for line in journal:
        if line["kind"] == "intent" and line["do"] == "WRITE" and line["phase"] == "SHIFTING" and since is not None:
            idle.append((since, line["at"]))
            since = None
        if line["kind"] == "state" and line["phase"] == "ROLLED_BACK":
            since = line["at"]
        if line["kind"] == "state" and line["phase"] == "SUCCEEDED":
            gone = line["at"]
    early = sum(who == b"green" and any(low < at < high for low, high in idle) for at, who in users.answers)
    return early, sum(who == b"blue" and at > gone for at, who in users.answers)


@dataclass
class Users:
    """People who ask without pause; every answer is kept as when it was asked for and who gave it."""

    endpoint: trivial.Endpoint
    answers: list[tuple[float, bytes]] = field(default_factory=list)
    streams: int = 0
    lost: list[str] = field(default_factory=list)
    may_end: bool = False

    async def ask(self, number: int) -> None:
        """Ask on one connection until all have asked enough, one in four for streams."""
        is_stream = number % 4 == 0
        url = self.endpoint.url.replace("/score", "/v1/chat/completions") if is_stream else self.endpoint.url
        connection = await Connection.open(url, self.endpoint.key)
        while not self.may_end or len(self.answers) < REQUESTS:
            await asyncio.sleep(PAUSE_S)
            start = time.time()
            try:
                head = await (_read_stream(connection) if is_stream else connection.ask())
            except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
                self.lost.append(repr(error))
                connection = await Connection.open(url, self.endpoint.key)
                continue
            if not is_good(head):
                self.lost.append(head.partition(b"\r\n")[0].decode())
            self.answers.append((start, header(head, b"azureml-model-deployment")))
            self.streams += is_stream
        connection.close()


async def _read_stream(connection: Connection) -> bytes:
    """Return the head of a streamed answer when its last chunk has arrived, which must say that it is the last."""
    connection.writer.write(connection.request)
    head = (await connection.reader.readuntil(b"\r\n\r\n")).lower()
    body = await connection.reader.readuntil(b"0\r\n\r\n")
    if b"[DONE]" not in body:
        raise ValueError("a stream was cut off")
    return head


async def _under_load(endpoint: trivial.Endpoint, work: Callable[[], Any]) -> tuple[Users, Any]:
    users = Users(endpoint)
    asking = [asyncio.create_task(users.ask(number)) for number in range(CLIENTS)]
    result = await asyncio.to_thread(work)
    users.may_end = True
    await asyncio.gather(*asking)
    return users, result
