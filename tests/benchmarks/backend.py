"""A container that answers every request with the same kilobyte at once: `python backend.py PORT`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

_ANSWER: Final = b'{"output": "%s"}' % (b"b" * 1000)
_REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_ANSWER),
    _ANSWER,
)


class Backend(asyncio.Protocol):
    """One connection of a client that waits for each answer before it asks again."""

    def connection_made(self, transport: Any) -> None:
        """Begin with nothing received."""
        self.transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if end and len(body) >= int(length or 0):
            self._received = b""
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:  # noqa: ARG002 - those that look at the request override this
        """Write the reply to a request."""
        self.transport.write(_REPLY)


def run(backend: type[Backend], port: str) -> None:
    """Serve on a port, which is left in a file for whoever measures, until killed."""
    import uvloop

    Path("port").write_text(port)
    uvloop.run(_serve(backend, int(port)))


async def _serve(backend: type[Backend], port: int) -> None:
    listener = await asyncio.get_running_loop().create_server(backend, "127.0.0.1", port)
    await listener.serve_forever()


if __name__ == "__main__":
    run(Backend, sys.argv[1])
