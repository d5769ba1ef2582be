"""Which Python runs a job or deployment: the emulator's own, or one with the requirements of its environment."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from mlops.emulator.context import STORE
from mlops.emulator.environments import conda, machine
from mlops.emulator.environments.builds import Builder, BuildError
from mlops.emulator.errors import ArmError
from mlops.emulator.home import ISOLATE_VARIABLE
from mlops.emulator.supervisor import SUPERVISOR

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

_OWN = f"this runs in the emulator's own Python, {machine.OWN} ({platform.python_version()})"


async def find(app: web.Application, environment: str | None, *, log: Path) -> Path:
    """Return the Python for the ARM or registry id of an environment; say in the log which it is, and why.

    Raise ArmError when its requirements cannot be installed; the log then ends with what pip said.
    """
    id_ = environment or ""
    document = app[STORE].get(id_.removeprefix("azureml:") if "/subscriptions/" in id_ else id_)
    conda_file = document["properties"].get("condaFile") if document else None
    *_, name, _, version = ["", "", "", *id_.split("/")]
    said = f"{name}:{version}" if name else id_.removeprefix("azureml:")
    return await provide(app, conda_file, name=f"Environment {said}" if said else "No environment", log=log)


async def provide(
    app: web.Application, conda_file: str | None, *, name: str, log: Path, also: tuple[str, ...] = ()
) -> Path:
    """Return the Python for a conda file's text, in which the requirements `also` are installed as well."""
    if os.environ.get(ISOLATE_VARIABLE) != "1":
        machine.note(log, f"{name}: nothing is built, {_OWN}. Start the emulator with --isolate to have it built.")
        return machine.OWN
    if not conda_file:
        # Fake: no image is pulled or built, and nothing is known of what it holds.
        machine.note(log, f"{name} has no conda file, and images do not run here: {_OWN}.")
        return machine.OWN
    machine.note(log, f"{name} has a conda file.")
    try:
        folder = await Builder(app[SUPERVISOR], log).provide(conda.read(conda_file).plus(also))
    except (ValueError, BuildError) as error:
        raise ArmError(400, "ImageBuildFailure", f"{name} could not be built: {error}") from None
    return folder / "bin" / "python"
