"""Where clients reach the data plane: a listener of its own, as an endpoint of Azure has an address of its own."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from mlops import ports
from mlops.emulator import tls
from mlops.emulator.context import HOME
from mlops.emulator.online import scoring
from mlops.emulator.online.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlops.emulator.home import Home
    from mlops.emulator.online.client import Answer

_BACKLOG = 1024
_SWEEP_S = 5.0


class FrontDoor:
    """The listener of one emulator, on a port that its home keeps."""

    def __init__(self, home: Home, answer: Answer) -> None:
        self._home, self._answer = home, answer
        self._clients: set[Client] = set()

    @property
    def url(self) -> str:
        """Return the address of the data plane, without a trailing slash."""
        return f"https://{self._home.address}:{self._port}"

    async def open(self) -> None:
        """Begin to listen, on the port that clients were told before; raise OSError when it is taken."""
        kept = self._home.root / "scoring.port"
        port = int(kept.read_text()) if kept.exists() else ports.free()
        context = tls.server_context(self._home)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Client(self._answer, self._clients), self._home.host, port, ssl=context, backlog=_BACKLOG
            )
        except OSError as error:
            reason = f"the data plane's port {port} is taken; delete {kept} for another one, and new scoring URLs"
            raise OSError(error.errno, reason) from None
        self._port = port
        unfinished = kept.with_suffix(".new")
        unfinished.write_text(str(self._port))
        unfinished.replace(kept)
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Stop listening and break off what is being answered."""
        self._sweeper.cancel()
        self._server.close()
        for client in tuple(self._clients):
            client.abort()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            for client in tuple(self._clients):
                if client.is_overdue(time.monotonic()):
                    client.close()


DOOR = web.AppKey("door", FrontDoor)


async def lifecycle(app: web.Application) -> AsyncIterator[None]:
    """Listen as long as the emulator runs."""
    app[DOOR] = FrontDoor(app[HOME], partial(scoring.answer, app))
    await app[DOOR].open()
    yield
    await app[DOOR].close()
