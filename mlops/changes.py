"""Say which parts of the repository differ between two commits: `python3 -m mlops.changes HEAD^1 HEAD`.

Runs before anything is installed, so it needs nothing but Python and git.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from mlops.github import output

if TYPE_CHECKING:
    from collections.abc import Iterable

TRAINING: Final = (
    "data",
    "mlops/alignment.py",
    "mlops/compute",
    "mlops/datasets",
    "mlops/finetuning",
    "mlops/planning.py",
    "mlops/trainer",
    "pipelines",
    "requirements.lock",
)
"""Where a change can make another model."""
INFRASTRUCTURE: Final = "pipelines/infra"
"""What a workspace is made of: no model is."""
PROSE: Final = (".md", ".png", ".svg")


def main() -> None:
    """Print what differs, and set the outputs `code` and `training` of the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", help="the older commit")
    parser.add_argument("new", help="the newer commit")
    arguments = parser.parse_args()
    # -z: a path may hold any character but NUL, a newline too. --: what follows a commit is no option.
    command = ["git", "diff", "--name-only", "-z", "--end-of-options", arguments.old, arguments.new, "--"]
    paths = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")
    parts = changed(path for path in paths if path)
    for part, differs in parts.items():
        print(f"{part}: {'changed' if differs else 'unchanged'}")
    output(**{part: str(differs).lower() for part, differs in parts.items()})


def changed(paths: Iterable[str]) -> dict[str, bool]:
    """Return whether paths hold code, and whether they hold what a model is made of."""
    code = [path for path in map(PurePosixPath, paths) if path.suffix not in PROSE]
    training = [path for path in code if any(map(path.is_relative_to, TRAINING))]
    return {
        "code": bool(code),
        "training": any(not path.is_relative_to(INFRASTRUCTURE) for path in training),
    }


if __name__ == "__main__":
    main()
