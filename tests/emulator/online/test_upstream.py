"""The way to a container: answers come through as they are, piece by piece, and half of one is an error."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from mlops.emulator.online.upstream import BrokenError, Headers, Upstream

QUESTION = b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Heard:
    """A reply that remembers what it heard."""

    source: asyncio.Transport | None = None

    def __init__(self) -> None:
        self.status, self.body, self.is_finished = 0, b"", False
        self.flushed = asyncio.Event()

    def start(self, status: int, _: Headers) -> None:
        """Remember the status."""
        self.status = status

    def write(self, data: bytes) -> None:
        """Remember the body."""
        self.body += data

    def flush(self) -> None:
        """Let who waits for a piece look at it."""
        self.flushed.set()

    def finish(self) -> None:
        """Remember the end."""
        self.is_finished = True


def with_container(serve: Serve, use: Callable[[Upstream], Awaitable[Any]]) -> Any:
    """Return what `use` makes of the way to a container that serves its connections so."""

    async def run() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        upstream = Upstream(server.sockets[0].getsockname()[1])
        try:
            return await asyncio.wait_for(use(upstream), 10)
        finally:
            upstream.close()
            server.close()

    return asyncio.run(run())


async def ask(upstream: Upstream, question: bytes = QUESTION) -> Heard:
    """Return the answer to a question."""
    heard = Heard()
    await upstream.ask(question, heard, math.inf)
    return heard


def answering(answer: bytes, *, times: int = 1_000_000) -> tuple[Serve, list[int]]:
    """Return a container that answers so many times on a connection and closes it, and its connections."""
    connections: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        for _ in range(times):
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            connections[-1] += 1
            writer.write(answer)
        writer.close()

    return serve, connections


def test_a_connection_is_used_again() -> None:
    """Requests one after another take one connection."""
    serve, connections = answering(ANSWER)

    async def use(upstream: Upstream) -> list[bytes]:
        return [(await ask(upstream)).body for _ in range(5)]

    assert with_container(serve, use) == [b"ok"] * 5
    assert connections == [5]


def test_a_connection_that_was_closed_meanwhile_costs_no_request() -> None:
    """Servers close connections without a word; the request goes on another one, and is answered once."""
    serve, connections = answering(ANSWER, times=1)

    async def use(upstream: Upstream) -> list[bytes]:
        return [(await ask(upstream)).body for _ in range(20)]

    assert with_container(serve, use) == [b"ok"] * 20
    assert connections == [1] * 20


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ],
)
def test_half_an_answer_is_broken_and_not_asked_for_again(answer: bytes) -> None:
    """A container that ends in the middle, or answers what is no HTTP, is not asked twice."""
    serve, connections = answering(answer, times=1)

    async def use(upstream: Upstream) -> None:
        with pytest.raises(BrokenError):
            await ask(upstream)

    with_container(serve, use)
    assert sum(connections) == 1


def test_a_second_answer_is_nobodys() -> None:
    """A container that answers a question twice is not heard the second time, and not on that connection again."""
    serve, connections = answering(ANSWER + ANSWER.replace(b"ok", b"no"))

    async def use(upstream: Upstream) -> list[bytes]:
        return [(await ask(upstream)).body for _ in range(3)]

    assert with_container(serve, use) == [b"ok"] * 3
    assert connections == [1] * 3


def test_nobody_listening_is_broken() -> None:
    """A container that is gone refuses connections."""

    async def use() -> None:
        with pytest.raises(BrokenError):
            await ask(Upstream(1))

    asyncio.run(use())


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + ANSWER, b"ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", b""),
    ],
)
def test_every_form_of_an_answer_is_understood(answer: bytes, body: bytes) -> None:
    """With a length, in chunks, until the connection ends, after an announcement: it is read whole."""
    serve, _ = answering(answer, times=1)
    heard = with_container(serve, ask)
    assert (heard.body, heard.is_finished) == (body, True)


def test_an_answer_to_head_has_no_body() -> None:
    """The length that an answer to HEAD tells is not waited for."""
    serve, _ = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
    heard = with_container(serve, lambda upstream: ask(upstream, QUESTION.replace(b"POST", b"HEAD")))
    assert (heard.status, heard.is_finished) == (200, True)


def test_pieces_are_passed_on_as_they_come() -> None:
    """The first piece is there before the container sends the second."""
    may_go_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        await may_go_on.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async def use(upstream: Upstream) -> bytes:
        heard = Heard()
        asking = asyncio.create_task(upstream.ask(QUESTION, heard, math.inf))
        await heard.flushed.wait()
        assert heard.body == b"one"
        may_go_on.set()
        await asking
        return heard.body

    assert with_container(serve, use) == b"onetwo"


def test_an_answer_that_is_not_complete_in_time_is_given_up() -> None:
    """At the deadline the connection is closed, however much of the answer has come."""
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1")
        with suppress(ConnectionResetError):
            await reader.read()
        closed.set()

    async def use(upstream: Upstream) -> None:
        with pytest.raises(TimeoutError):
            await upstream.ask(QUESTION, Heard(), asyncio.get_running_loop().time() + 0.1)
        await closed.wait()

    with_container(serve, use)


def test_a_container_waits_for_a_client_that_does_not_keep_up() -> None:
    """While the source is paused the container cannot send on; nothing is lost when it goes on."""
    size = 20 * 2**20
    sent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(20):
            writer.write(b"x" * 2**20)
            await writer.drain()
        sent.set()

    class Slow(Heard):
        """A reply that cannot take more after the first piece."""

        num_bytes = 0

        def write(self, data: bytes) -> None:
            """Count it, and pause once."""
            if self.num_bytes == 0 and self.source is not None:
                self.source.pause_reading()
            self.num_bytes += len(data)

    async def use(upstream: Upstream) -> int:
        slow = Slow()
        asking = asyncio.create_task(upstream.ask(QUESTION, slow, math.inf))
        await slow.flushed.wait()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sent.wait(), 0.3)
        assert slow.source is not None
        slow.source.resume_reading()
        await asking
        return slow.num_bytes

    assert with_container(serve, use) == size


def test_a_canceled_question_ends_its_connection() -> None:
    """The container sees that nobody waits any more; the next question takes a connection of its own."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()

    async def use(upstream: Upstream) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(upstream), 0.05)
        await left.wait()

    with_container(serve, use)
