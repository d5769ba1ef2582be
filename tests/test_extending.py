"""What docs/extending.md says is true."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(diff|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
MOST_LINES = 30


def test_every_patch_applies_and_does_what_it_is_for(tmp_path: Path) -> None:
    """Metric, rule, source and preset: at most 30 lines each, and the program below it agrees."""
    blocks = BLOCK.findall((ROOT / "docs" / "extending.md").read_text())
    assert [kind for kind, _ in blocks] == ["diff", "python"] * 4
    patches, programs = ([text for kind, text in blocks if kind == wanted] for wanted in ("diff", "python"))
    for folder in ("mlops", "pipelines"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for patch in patches:
        assert patch.count("\n") <= MOST_LINES
        command = [shutil.which("git") or "git", "apply", "--unidiff-zero"]
        subprocess.run(command, input=patch, text=True, cwd=tmp_path, check=True)
    command = [sys.executable, "-c", "\n".join(programs)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
