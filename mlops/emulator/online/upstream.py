"""The way to a container: kept-alive connections, a request at a time on each, answers passed on as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import httptools

if TYPE_CHECKING:
    from asyncio import Transport

Headers = list[tuple[bytes, bytes]]

_FIRST_FINAL = 200  # below are the statuses that announce another


class BrokenError(Exception):
    """The container broke off the connection, cannot be reached, or answered what is no HTTP."""


class Reply(Protocol):
    """Who gets an answer, piece by piece."""

    source: Transport | None  # what to pause while the pieces come too fast

    def start(self, status: int, headers: Headers) -> None:
        """Take the status, and the headers with their names in lower case."""

    def write(self, data: bytes) -> None:
        """Take a piece of the body."""

    def flush(self) -> None:
        """Send on what was taken: nothing more will come at once."""

    def finish(self) -> None:
        """Know that the answer is complete."""


class Unheard:
    """A reply of which only the status is wanted, if anything."""

    source: Transport | None = None
    status: int | None = None

    def start(self, status: int, _: Headers) -> None:
        """Remember the status."""
        self.status = status

    def write(self, _: bytes) -> None:
        """Forget it."""

    def flush(self) -> None:
        """Have nothing to send."""

    def finish(self) -> None:
        """Have nothing to end."""


class Upstream:
    """The connections to one container on loopback."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[_Connection] = []

    async def ask(self, request: bytes, reply: Reply, deadline: float) -> None:
        """Send a request and pass its answer on; `deadline` is a time of the event loop.

        Raises BrokenError if there is no answer or half of one, TimeoutError if it is not complete in time.
        """
        while self._idle:
            connection = self._idle.pop()
            try:
                return await self._ask(connection, request, reply, deadline)
            except BrokenError:
                # The container had closed it meanwhile, as servers do: that is no answer, so ask again.
                if connection.has_answered:
                    raise
        async with asyncio.timeout_at(deadline):
            connection = await self._connect()
        return await self._ask(connection, request, reply, deadline)

    def close(self) -> None:
        """Close the connections that wait for another request."""
        while self._idle:
            self._idle.pop().close()

    async def _ask(self, connection: _Connection, request: bytes, reply: Reply, deadline: float) -> None:
        if await connection.ask(request, reply, deadline):
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self) -> _Connection:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", self._port)
        except OSError as error:
            raise BrokenError("The container does not accept connections.") from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection; the methods `on_…` are httptools', in the order of a response."""

    _transport: Transport
    _parser: httptools.HttpResponseParser
    _answered: asyncio.Future[bool]

    def __init__(self) -> None:
        self._reply: Reply | None = None
        self._headers: Headers = []
        self._is_head = self._has_started = self.has_answered = False

    async def ask(self, request: bytes, reply: Reply, deadline: float) -> bool:
        """Send a request and pass its answer on; return whether the connection can be used again."""
        loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._answered = loop.create_future()
        self._reply, self._headers = reply, []
        self._is_head, self._has_started, self.has_answered = request.startswith(b"HEAD "), False, False
        if self._transport.is_closing():
            raise BrokenError("The container has closed the connection.")
        reply.source = self._transport
        if not self._transport.is_reading():  # who was answered last did not keep up
            self._transport.resume_reading()
        self._transport.write(request)
        # Less work than asyncio.timeout, which every request would pay for.
        timer = loop.call_at(deadline, self._time_out)
        try:
            return await self._answered
        except (asyncio.CancelledError, TimeoutError):
            self._transport.abort()
            raise
        finally:
            timer.cancel()
            self._reply = reply.source = None

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # create_connection makes a Transport

    def data_received(self, data: bytes) -> None:
        if self._reply is None or self._answered.done():  # nothing was asked, or nobody waits any more
            self._transport.abort()
            return
        self.has_answered = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a mistake of ours
        except httptools.HttpParserError as error:
            self._break(f"The container's answer is no HTTP: {error}.")
            self._transport.abort()
        else:
            self._reply.flush()

    def connection_lost(self, _: Exception | None) -> None:
        if self._reply is not None and self._is_delimited_by_its_end():
            self._complete(is_reusable=False)
        else:
            self._break("The container broke off the connection.")

    def on_message_begin(self) -> None:
        if self._answered.done():  # a second answer to one question: nobody may get it for theirs
            self._transport.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL and self._reply is not None and not self._answered.done():
            self._has_started = True
            self._reply.start(status, self._headers)
            if self._is_head:
                self._complete(is_reusable=False)

    def on_body(self, body: bytes) -> None:
        if self._reply is not None and not self._answered.done():
            self._reply.write(body)

    def on_message_complete(self) -> None:
        if self._has_started:
            self._complete(is_reusable=self._parser.should_keep_alive())
        else:
            self._headers = []

    def _is_delimited_by_its_end(self) -> bool:
        names = {name for name, _ in self._headers}
        return self._has_started and not names & {b"content-length", b"transfer-encoding"}

    def _complete(self, *, is_reusable: bool) -> None:
        if self._reply is not None and not self._answered.done():
            self._reply.finish()
            self._answered.set_result(is_reusable)

    def _time_out(self) -> None:
        if not self._answered.done():
            self._answered.set_exception(TimeoutError())

    def _break(self, reason: str) -> None:
        if self._reply is not None and not self._answered.done():
            self._answered.set_exception(BrokenError(reason))
