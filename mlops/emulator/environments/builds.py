"""Virtual environments with what conda files ask for, each built once for all emulators of a user, and kept."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from mlops.emulator.environments import conda, machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlops.emulator.environments.conda import Requirements
    from mlops.emulator.supervisor import Supervisor

_LEFT_OUT = "left-out.txt"
_POLL_S = 0.2
_TAIL = 20
_NOT_ON_PYPI = re.compile(r"satisfies the requirement (?P<requirement>\S+).* \(from versions: none\)")


class BuildError(Exception):
    """The end of what was printed by a command that failed."""


@dataclass(frozen=True)
class Builder:
    """Builds environments, and says so in a log."""

    supervisor: Supervisor
    log: Path

    async def provide(self, requirements: Requirements) -> Path:
        """Return the folder of the environment; raise BuildError when pip cannot install its requirements."""
        content = "\n".join([sys.version, *requirements.lines(), *requirements.left_out])
        built = _cache_folder() / hashlib.sha256(content.encode()).hexdigest()[:16]
        built.parent.mkdir(parents=True, exist_ok=True)
        async with _exclusive(built.with_suffix(".lock")):
            if built.exists():
                machine.note(self.log, f"It was built before: this runs in {built}.")
            else:
                machine.note(self.log, f"It is built, for this and all later uses, in {built}.")
                await self._build(requirements, built)
        machine.note(self.log, (built / _LEFT_OUT).read_text().strip())
        return built.resolve()

    async def _build(self, requirements: Requirements, built: Path) -> None:
        for abandoned in built.parent.glob(f"{built.name}-*"):
            await asyncio.to_thread(shutil.rmtree, abandoned, ignore_errors=True)
        # Never renamed, since the programs in it know where they lie: a link takes its place when it is complete.
        folder = built.with_name(f"{built.name}-{uuid4().hex[:8]}")
        if printed := await self._run([str(machine.OWN), "-m", "venv", str(folder)]):
            raise BuildError(printed)
        left_out = ", ".join((await self._install(requirements, folder)).left_out) or "nothing"
        (folder / _LEFT_OUT).write_text(f"Left out of it: {left_out}; its Python is {platform.python_version()}.\n")
        link = folder.with_suffix(".link")
        link.symlink_to(folder)
        link.replace(built)

    async def _install(self, requirements: Requirements, folder: Path) -> Requirements:
        """Install the requirements, and return them without those of conda's that PyPI does not know."""
        file, pip = folder / "requirements.txt", [str(folder / "bin" / "python"), "-m", "pip"]
        file.write_text("".join(f"{line}\n" for line in requirements.lines()))
        install = [*pip, "install", "--no-input", "--disable-pip-version-check", "-r", str(file)]
        printed = await self._run(install)
        if printed is None:
            return requirements
        missing = {conda.name_of(match["requirement"]) for match in _NOT_ON_PYPI.finditer(printed)}
        if not (unknown := missing & requirements.conda.keys()):
            raise BuildError("\n".join(printed.splitlines()[-_TAIL:]))
        return await self._install(requirements.without(unknown), folder)

    async def _run(self, args: list[str]) -> str | None:
        """Run a command to its end; return None, or what it printed if it failed."""
        with self.log.open("ab") as file:
            begin = file.tell()
        process = await self.supervisor.start_process(
            args, cwd=_cache_folder(), env=machine.variables(machine.OWN), log=self.log
        )
        if await process.wait() == 0:
            return None
        with self.log.open("rb") as file:
            file.seek(begin)
            return file.read().decode(errors="replace") or f"It exited with code {process.returncode}."


def _cache_folder() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "azureml-emulator" / "environments"


@asynccontextmanager
async def _exclusive(path: Path) -> AsyncIterator[None]:
    with path.open("w") as lock:
        while not _is_locked(lock.fileno()):  # noqa: ASYNC110 - another emulator's lock gives no event
            await asyncio.sleep(_POLL_S)
        yield


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
