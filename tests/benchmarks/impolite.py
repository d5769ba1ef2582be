"""A client that sends what a well-behaved one would refuse to."""

from __future__ import annotations

import http.client
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlops.emulator import tls

if TYPE_CHECKING:
    from spoiled import Spoiled

    from mlops.emulator.home import Home


class Connection:
    """Kept-alive TLS connections, one per port, for one thread."""

    def __init__(self, home: Home) -> None:
        self._context = tls.client_context(home)
        self._sockets: dict[int, Any] = {}

    def send(self, request: Spoiled) -> int:
        """Send the request and return the status, or 0 if there was no answer."""
        for _ in range(2):  # the server may have closed the connection after the last answer
            used = self._sockets.pop(request.port, None) or self._connect(request.port)
            with suppress(OSError, http.client.HTTPException):
                return self._exchange(used, request)
        return 0

    def _exchange(self, used: Any, request: Spoiled) -> int:
        headers = {"Host": "127.0.0.1", **request.headers, "Content-Length": str(len(request.body))}
        lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
        with suppress(BrokenPipeError, ConnectionResetError):  # it may refuse before it has read all
            used.sendall("\r\n".join([*lines, "", ""]).encode() + request.body)
        response = http.client.HTTPResponse(used, method=request.method)
        response.begin()
        response.read()
        if not response.will_close and "Expect" not in request.headers:
            self._sockets[request.port] = used
        return response.status

    def _connect(self, port: int) -> Any:
        plain = socket.create_connection(("127.0.0.1", port), timeout=40)
        return self._context.wrap_socket(plain, server_hostname="127.0.0.1")
