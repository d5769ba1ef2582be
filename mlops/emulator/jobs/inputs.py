"""What goes into a step: literals, mounted or copied data, and files of the public web."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import yaml

from mlops.emulator.assets import paths
from mlops.emulator.context import HOME, STORE
from mlops.emulator.errors import ArmError, bad_request
from mlops.emulator.registry import catalog

if TYPE_CHECKING:
    from aiohttp import web

    from mlops.emulator.jobs.command import Input
    from mlops.emulator.store import Document

_REGISTRY_MODEL = re.compile(r"azureml://registries/([^/]+)/models/([^/]+)/versions/([^/]+)", re.IGNORECASE)
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=30, sock_read=60)
_CHUNK = 2**20


async def locate(app: web.Application, run: Document, name: str, given: Input) -> str | None:
    """Return the text that stands for an input in the command: the literal, or the path of its data.

    Mounted data is where it lies: a step that writes into `ro_mount`, which fails on Azure, changes it here.
    Raise ArmError (UserError) when the data does not exist.
    """
    if given.type == "literal" or given.value is None or given.mode == "direct":
        return given.value
    folder = app[HOME].jobs / run["runId"] / "inputs" / name
    try:
        source = await _find(app, run["workspace"], given.value, folder)
    except ArmError as error:
        raise bad_request(f"Input {name!r}: {error.message}") from error
    if not source.exists():
        raise bad_request(f"Input {name!r}: nothing exists at {given.value}.")
    if given.mode in {"eval_mount", "eval_download"}:
        return str(await _evaluate(app, run["workspace"], source, folder))
    if given.mode == "download" and not source.is_relative_to(folder):
        return str(await asyncio.to_thread(copy, source, folder / source.name if source.is_file() else folder))
    return str(source)


def copy(source: Path, target: Path) -> Path:
    """Copy a file or a folder with all in it; return the target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copyfile(source, target)
    return target


async def _find(app: web.Application, workspace: str, uri: str, folder: Path) -> Path:
    if match := _REGISTRY_MODEL.fullmatch(uri):
        return await catalog.model_folder(app, match[2], match[3], registry=match[1])
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and not uri.startswith(f"{app[HOME].url}/"):
        return await _download(uri, folder / Path(parts.path).name)
    if parts.scheme in {"wasb", "wasbs"}:
        return await _download(f"https://{parts.hostname}/{parts.username}{parts.path}", folder / Path(parts.path).name)
    return paths.local_path(app[STORE], app[HOME], uri, workspace=workspace)


async def _download(url: str, file: Path) -> Path:
    """Fetch one public file; folders of public containers are not listed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.part")
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session, session.get(url) as reply:
            reply.raise_for_status()
            with part.open("wb") as target:
                async for chunk in reply.content.iter_chunked(_CHUNK):
                    target.write(chunk)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise bad_request(f"{url} cannot be read from this machine: {error!r}.") from error
    return part.replace(file)


async def _evaluate(app: web.Application, workspace: str, table: Path, folder: Path) -> Path:
    """Copy the files that an MLTable names; its transformations are the reader's, as for streams on Azure."""
    for kind, text in await asyncio.to_thread(_entries, table):
        if "://" in text:
            sources = [await _find(app, workspace, text, folder)]
        else:
            sources = await asyncio.to_thread(lambda pattern: sorted(table.glob(pattern)), text)
        for source in sources:
            await asyncio.to_thread(copy, source, folder if kind == "folder" else folder / source.name)
    return folder


def _entries(table: Path) -> list[tuple[str, str]]:
    """Return what an MLTable is made of: pairs of `file`, `folder` or `pattern` and a path or URI."""
    description = table / "MLTable"
    if not description.is_file():
        raise bad_request(f"{table.name} holds no file MLTable, which the modes eval_mount and eval_download read.")
    entries = (yaml.safe_load(description.read_text()) or {}).get("paths") or []
    return [(kind, text.removeprefix("./")) for entry in entries for kind, text in entry.items()]
