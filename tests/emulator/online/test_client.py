"""A client's connection: HTTP/1.1 in every form that clients write it, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.emulator.online import client
from mlops.emulator.online.client import Call, Client

CRLF = b"\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


async def echo(call: Call, reply: Client) -> None:
    """Answer the request's body, with its length."""
    reply.start(200, [(b"content-length", b"%d" % len(call.body))])
    reply.write(call.body)
    reply.finish()


async def pieces(_: Call, reply: Client) -> None:
    """Answer in two pieces, without a length."""
    reply.start(200, [])
    reply.write(b"one,")
    reply.flush()
    await asyncio.sleep(0)
    reply.write(b"two")
    reply.finish()


def converse(answer: client.Answer, talk: Talk) -> Any:
    """Return what a raw connection to a listener with this answer says."""

    async def run() -> Any:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Client(answer, set()), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            return await asyncio.wait_for(talk(reader, writer), 10)
        finally:
            writer.close()
            server.close()

    return asyncio.run(run())


def say(*requests: bytes) -> Talk:
    """Return a talk that sends these, one after another at once, and reads until the connection ends."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for request in requests:
            writer.write(request)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()

    return talk


def post(body: bytes, *headers: bytes, version: bytes = b"1.1") -> bytes:
    """Return a request."""
    lines = [b"POST /score HTTP/" + version, b"host: x", b"content-length: %d" % len(body), *headers]
    return CRLF.join([*lines, b"", body])


LAST = b"connection: close"


def test_pipelined_requests_are_answered_in_order() -> None:
    """A client that does not wait gets every answer, in the order it asked."""
    said = converse(echo, say(post(b"one") + post(b"two") + post(b"three", LAST)))
    assert said.count(b"HTTP/1.1 200 OK") == 3
    assert said.index(b"one") < said.index(b"two") < said.index(b"three")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4), st.data())
def test_it_does_not_matter_how_requests_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    """However the bytes of some requests are torn apart on the way, the answers are the same."""
    stream = b"".join(post(body) for body in bodies[:-1]) + post(bodies[-1], LAST)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=8)))
    torn = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    said = converse(echo, say(*torn))
    assert said == converse(echo, say(stream))
    assert said.count(b"HTTP/1.1 200 OK") == len(bodies)


def test_a_body_may_come_in_chunks_after_it_was_asked_for() -> None:
    """A client that expects `100 Continue` gets it; its chunked body arrives whole."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        head = [b"POST / HTTP/1.1", b"host: x", b"transfer-encoding: chunked", b"expect: 100-continue", LAST, b"", b""]
        writer.write(CRLF.join(head))
        assert await reader.readuntil(CRLF * 2) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        return await reader.read()

    assert converse(echo, talk).endswith(b"\r\n\r\nabcdefg")


def test_an_answer_without_a_length_is_chunked_for_those_who_know_chunks() -> None:
    """HTTP/1.1 gets chunks; HTTP/1.0 gets the body until the connection ends."""
    modern, old = (converse(pieces, say(post(b"", LAST, version=version))) for version in (b"1.1", b"1.0"))
    assert modern.endswith(b"\r\n\r\n4\r\none,\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert old.endswith(b"\r\n\r\none,two")
    assert b"chunked" not in old


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"GET / HTTP/1.1\r\nhost\x00: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 80_000, b"431"),
        (post(b"z" * 2000), b"413"),
    ],
    ids=["tls", "header", "two lengths", "length and chunks", "long header", "long body"],
)
def test_what_is_no_sound_request_is_refused(monkeypatch: pytest.MonkeyPatch, request_: bytes, status: bytes) -> None:
    """What is no HTTP, could be read in two ways, or is too large, gets its status and the end of the connection."""
    monkeypatch.setattr(client, "MAX_BODY", 1000)
    assert converse(echo, say(request_)).startswith(b"HTTP/1.1 " + status)


def test_a_client_that_leaves_ends_its_answer() -> None:
    """Work for a client that has gone is canceled."""
    canceled = asyncio.Event()

    async def work(_: Call, __: Client) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            canceled.set()
            raise

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(post(b""))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await canceled.wait()

    converse(work, talk)


def test_half_an_answer_is_never_taken_for_the_whole() -> None:
    """An answer that is aborted ends the connection before its chunks are complete."""

    async def half(_: Call, reply: Client) -> None:
        reply.start(200, [])
        reply.write(b"half")
        reply.flush()
        await asyncio.sleep(0.05)
        reply.abort()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(post(b""))
        received = await reader.readuntil(b"half\r\n")
        with suppress(ConnectionResetError):
            received += await reader.read()
        return received

    assert converse(half, talk).endswith(b"4\r\nhalf\r\n")


def test_overdue_is_who_keeps_others_waiting() -> None:
    """A request that comes slowly has 30 s, a connection between two requests 75 s."""

    async def check() -> None:
        one = Client(echo, set())
        transport = asyncio.Transport()
        one.connection_made(transport)
        now = one._since  # noqa: SLF001 - the only clock it has
        assert [one.is_overdue(now + later) for later in (60, 80)] == [False, True]
        one.data_received(b"POST / HTTP/1.1\r\nhost:")
        assert [one.is_overdue(now + later) for later in (20, 60)] == [False, True]

    asyncio.run(check())
