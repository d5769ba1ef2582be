"""The container that runs before the inference server: it puts model and code where Azure's images have them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.registry import catalog

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from mlops.emulator.store import Document

LOG = "storage-initializer.log"

_REGISTRY_MODEL = re.compile(
    r"azureml://registries/(?P<registry>[^/]+)/models/(?P<name>[^/]+)/versions/(?P<version>[^/]+)", re.IGNORECASE
)
# What Microsoft's registry calls the folder of every model; here it has no name.
_REGISTRY_FOLDER = "mlflow_model_folder"


@dataclass(frozen=True)
class Files:
    """The model's file or folder, alone in `azureml-models/<name>/<version>`, and the folder of the code."""

    model: Path | None
    code: Path | None


async def run(app: web.Application, document: Document, folder: Path) -> Files:
    """Lay out what a deployment's document names in a folder of the deployment, and keep a log of it there.

    Raise ArmError when it cannot be found.
    """
    properties = document["properties"]
    model, code = properties.get("model"), (properties.get("codeConfiguration") or {}).get("codeId")
    # Containers that serve keep their files while an update brings others.
    revision = hashlib.sha256(f"{model} {code}".encode()).hexdigest()[:12]
    root = folder / revision / "azureml-app"
    (folder / LOG).write_text("")
    return Files(
        await _put_model(app, model, root, folder / LOG) if model else None,
        await _put_code(app, code, root, folder / LOG) if code else None,
    )


async def _put_model(app: web.Application, id_: str, root: Path, log: Path) -> Path:
    name, version = id_.split("/")[-3::2]
    if match := _REGISTRY_MODEL.fullmatch(id_):
        source = await catalog.model_folder(app, name, version, registry=match["registry"])
        own_name = _REGISTRY_FOLDER
    else:
        source = paths.local_path(app[STORE], app[HOME], id_)
        own_name = source.name
    target = root / "azureml-models" / name / version / own_name
    # Faked: another name for the same bytes instead of a download.
    return await asyncio.to_thread(_bring, source, target, log, copy=os.link)


async def _put_code(app: web.Application, id_: str, root: Path, log: Path) -> Path:
    source = paths.local_path(app[STORE], app[HOME], id_)
    return await asyncio.to_thread(_bring, source, root / source.name, log, copy=shutil.copy2)


def _bring(source: Path, target: Path, log: Path, *, copy: Callable[[str, str], object]) -> Path:
    if not target.exists():
        unfinished = target.with_name(f"{target.name}.new")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.unlink(missing_ok=True)
        if source.is_dir():
            shutil.copytree(source, unfinished, copy_function=copy)
        else:
            copy(str(source), str(unfinished))
        unfinished.rename(target)
    files = [file for file in (target, *target.rglob("*")) if file.is_file()]
    with log.open("a") as lines:
        size = sum(file.stat().st_size for file in files)
        lines.write(f"{source.name} is mounted at {target}: {len(files)} files, {size} bytes.\n")
    return target
