"""Ports of loopback for servers that are told theirs before they listen."""

from __future__ import annotations

import errno
import random
import socket
from typing import Final

_PORTS: Final = range(20_000, 30_000)
"""Below those that Linux (32768) and IANA (49152) give to outgoing connections: one of them may take any of those at
any time, and what loads PyTorch first listens only seconds after it was told where."""
_TRIES: Final = 100


def free() -> int:
    """Return a port of loopback that nobody listens on, and that no outgoing connection is given.

    Raises OSError (EADDRINUSE) if there seems to be none.
    """
    for port in random.sample(_PORTS, _TRIES):
        if _is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port was found from {_PORTS[0]} to {_PORTS[-1]}")


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
