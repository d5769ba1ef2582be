"""Model files that are built here because Microsoft's cannot be had: once per user, then copied."""

from __future__ import annotations

import ast
import asyncio
import fcntl
import hashlib
import os
import shlex
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.emulator.errors import ArmError
from mlops.emulator.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

# Where `python -m` in a command finds its modules.
_PROJECT = Path(__file__).parents[3]


async def provide(app: web.Application, command: str, target: Path) -> None:
    """Put what a command `python -m MODULE … ${{output}}` writes into the target folder, unless it is there.

    Raise ArmError with the end of its output when the command fails.
    """
    built = _cache_folder() / _fingerprint(command)
    built.parent.mkdir(parents=True, exist_ok=True)
    async with _exclusive(built.with_suffix(".lock")):
        if not built.exists():
            await _build(app, command, built)
        await asyncio.to_thread(_copy, built, target)


async def _build(app: web.Application, command: str, folder: Path) -> None:
    unfinished, log = folder.with_suffix(".new"), folder.with_suffix(".log")
    shutil.rmtree(unfinished, ignore_errors=True)
    words = shlex.split(command.replace("${{output}}", shlex.quote(str(unfinished))))
    args = [sys.executable, *words[1:]]
    process = await app[SUPERVISOR].start_process(args, cwd=_PROJECT, env=dict(os.environ), log=log)
    if await process.wait():
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
        raise ArmError(500, "SystemError", f"The stand-in of the model could not be built:\n{tail}")
    unfinished.rename(folder)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "azureml-emulator"


def _fingerprint(command: str) -> str:
    """Return a hash of the command and of the sources it runs: another program makes another model."""
    module = _PROJECT.joinpath(*shlex.split(command)[2].split(".")).with_suffix(".py")
    digest = hashlib.sha256(command.encode())
    for file in sorted(_sources(module, set())):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _sources(module: Path, known: set[Path]) -> set[Path]:
    """Return the files of a module and of all it imports from its own package, added to those known."""
    known.add(module)
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for file in (module.with_name(f"{name}.py") for name in names):
                if file not in known and file.exists():
                    _sources(file, known)
    return known


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(source, unfinished)
    unfinished.rename(target)


@asynccontextmanager
async def _exclusive(path: Path) -> AsyncIterator[None]:
    with path.open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        yield
