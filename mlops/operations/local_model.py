"""A registered model served on this machine, as the emulator's deployments serve it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import httpx

from mlops import ports
from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

LOOPBACK: Final = "127.0.0.1"
POLL_S: Final = 0.1


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve an MLflow chat model while the block runs; yield its scoring URI.

    Raises InputError, with the last line that the server wrote, if it ends before it is healthy.
    """
    port = ports.free()
    command = [sys.executable, "-m", "mlops.emulator.serving", str(folder), "--port", str(port)]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as process,
    ):
        try:
            while not _is_healthy(f"http://{LOOPBACK}:{port}/health"):
                if process.poll() is not None:
                    raise InputError(f"{folder} cannot be served on this machine: {_last_line(log)}")
                time.sleep(POLL_S)
            yield f"http://{LOOPBACK}:{port}/score"
        finally:
            process.terminate()


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(url).status_code == HTTPStatus.OK
    except httpx.HTTPError:
        return False


def _last_line(log: IO[str]) -> str:
    log.seek(0)
    line = (log.read().strip().splitlines() or ["it said nothing"])[-1]
    return f"{line}. Install what runs models: pip install -e '.[local]'" if "ModuleNotFoundError" in line else line
