"""Artifacts as folders: `artifact.py upload NAME PATHS`, `artifact.py download NAME TARGET`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def upload(name: str, paths: str) -> None:
    """Keep the files of the one folder in `paths`, less those whose line begins with an exclamation mark."""
    (folder,) = [line for line in paths.split() if not line.startswith("!")]
    without = [Path(line.removeprefix("!")) for line in paths.split() if line.startswith("!")]

    def ignored(where: str, names: list[str]) -> set[str]:
        return {name for name in names if name.startswith(".") or Path(where, name) in without}

    if not Path(folder).exists():
        print(f"{folder} does not exist: nothing is kept")
        return
    target = Path(os.environ["STAND_IN_ARTIFACTS"], name)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=ignored)


def download(name: str, target: str) -> None:
    """Fetch the files of an artifact, or each of several into a folder of its name."""
    kept = Path(os.environ["STAND_IN_ARTIFACTS"])
    if "*" not in name:
        shutil.copytree(kept / name, target, dirs_exist_ok=True)
    for artifact in kept.glob(name) if "*" in name else ():
        shutil.copytree(artifact, Path(target, artifact.name), dirs_exist_ok=True)


if __name__ == "__main__":
    {"upload": upload, "download": download}[sys.argv[1]](*sys.argv[2:])
