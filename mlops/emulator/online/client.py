"""One client's connection to the data plane: HTTP/1.1, a request at a time; it is the reply to what it brought."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from asyncio import Transport
    from collections.abc import Callable, Coroutine

    from mlops.emulator.online.upstream import Headers

    Answer = Callable[["Call", "Client"], Coroutine[None, None, None]]

MAX_BODY = 64 * 2**20
_MAX_HEAD = 64 * 2**10
# A request that comes slowly, and a connection between two requests, are given up after so long.
_SLOW_S, _IDLE_S = 30.0, 75.0
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


@dataclass(slots=True)
class Call:
    """A client's request, whole."""

    method: bytes
    url: bytes
    headers: Headers  # names in lower case
    fields: dict[bytes, bytes]  # the same, by name
    body: bytes
    version: str
    is_last: bool  # of its connection

    @property
    def path(self) -> str:
        """Return the path of its address."""
        return self.url.partition(b"?")[0].decode("latin-1")


class Client(asyncio.Protocol):
    """Bring the requests of one connection to `answer`, one by one."""

    _transport: Transport
    _headers: Headers
    _pieces: list[bytes]
    source: Transport | None = None
    has_started = False  # with the reply

    def __init__(self, answer: Answer, connected: set[Client]) -> None:
        self._answer, self._connected = answer, connected
        self._calls: deque[Call] = deque()
        self._task: asyncio.Task[None] | None = None
        self._out: list[bytes] = []
        self._is_chunked = False
        self._since = time.monotonic()
        self._head_size = self._size = 0
        self._is_in_head = self._is_in_body = False
        self.on_close: list[Callable[[], None]] = []

    def is_overdue(self, now: float) -> bool:
        """Return whether it takes too long over its next request."""
        limit_s = _SLOW_S if self._is_in_head or self._is_in_body else _IDLE_S
        return self._task is None and now - self._since > limit_s

    # What the reply is made of: see `upstream.Reply`.

    def start(self, status: int, headers: Headers) -> None:
        """Begin the reply; without a length its body is sent in chunks."""
        self.has_started = True
        self._out = out = [_STATUS_LINES[status]]
        has_length = False
        for name, value in headers:
            has_length = has_length or name == b"content-length"
            out.append(b"%b: %b\r\n" % (name, value))
        self._is_chunked = not has_length and self._call.version == "1.1" and self._call.method != b"HEAD"
        if self._is_chunked:
            out.append(b"transfer-encoding: chunked\r\n")
        if self._call.is_last:
            out.append(b"connection: close\r\n")
        out.append(b"\r\n")

    def write(self, data: bytes) -> None:
        """Add a piece of the body."""
        self._out.append(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def flush(self) -> None:
        """Send what there is."""
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out = []

    def finish(self, trailers: bytes = b"") -> None:
        """End the reply; trailers are sent only after chunks."""
        if self._is_chunked:
            self._out.append(b"0\r\n%b\r\n" % trailers)
        self.flush()

    def abort(self) -> None:
        """Break the connection off: half of a reply must not be taken for the whole."""
        self._transport.abort()

    def close(self) -> None:
        """End the connection, after what was written."""
        self._transport.close()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to parse."""
        self._transport = transport  # type: ignore[assignment]  # create_server makes a Transport
        self._parser = httptools.HttpRequestParser(self)
        self._connected.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came; refuse what is no HTTP, or too much of it."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a mistake of ours
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        self._head_size = self._head_size + len(data) if self._is_in_head else 0
        if self._head_size > _MAX_HEAD:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._size > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def connection_lost(self, _: Exception | None) -> None:
        """Give up the answer that nobody waits for any more."""
        self._connected.discard(self)
        if self._task is not None:
            self._task.cancel()
        for tell in self.on_close:
            tell()

    def pause_writing(self) -> None:
        """Let the container wait for a client that does not keep up."""
        if self.source is not None:
            self.source.pause_reading()

    def resume_writing(self) -> None:
        """Let the container go on."""
        if self.source is not None:
            self.source.resume_reading()

    # What httptools tells of a request, in this order.

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._url, self._headers, self._pieces = b"", [], []
        self._size = 0
        self._is_in_head, self._since = True, time.monotonic()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Ask for the body, if the client waits to be asked."""
        self._is_in_head, self._is_in_body = False, True
        if self._task is None and (b"expect", b"100-continue") in self._headers:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._pieces.append(body)
        self._size += len(body)

    def on_message_complete(self) -> None:
        """Answer it, when those before it are answered."""
        self._is_in_body = False
        if self._size > MAX_BODY:
            return
        version = self._parser.get_http_version()
        is_last = version != "1.1" or not self._parser.should_keep_alive()
        fields, body = dict(self._headers), b"".join(self._pieces)
        call = Call(self._parser.get_method(), self._url, self._headers, fields, body, version, is_last)
        self._calls.append(call)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())
        else:  # a client that does not wait for its answers must wait with its requests
            self._transport.pause_reading()

    async def _answer_all(self) -> None:
        try:
            while self._calls:
                self._call, self.has_started = self._calls.popleft(), False
                await self._answer(self._call, self)
                if self._call.is_last:
                    self._calls.clear()
                    self.close()
        except BaseException:  # a cancellation, too: it goes on, and no half reply stays open
            self.abort()
            raise
        self._task, self._since = None, time.monotonic()
        if not self._transport.is_reading() and not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, status: HTTPStatus) -> None:
        if self._task is None:
            line = _STATUS_LINES[status]
            self._transport.write(line + b"server: azureml-frontdoor\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.close()
        else:
            self.abort()
