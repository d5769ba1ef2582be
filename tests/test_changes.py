"""What a pull request changed, as git says it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.changes import changed

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("paths", "code", "training"),
    [
        ([], False, False),
        (["README.md", "docs/data.md"], False, False),
        (["mlops/cli.py"], True, False),
        (["mlops/trainer/finetune.py"], True, True),
        (["mlops/finetuning/parameters.py"], True, True),
        (["mlops/compute/sizes.yml"], True, True),
        (["mlops/planning.py"], True, True),
        (["mlops/alignment.py"], True, True),
        (["requirements.lock"], True, True),
        (["pipelines/settings/dev.yml", "README.md"], True, True),
        (["pipelines/infra/main.bicep"], True, False),
        (["pipelines/infra/main.bicep", "pipelines/finetune.py"], True, True),
        (["pipelines/README.md"], False, False),
        (["notes\n.md/x; rm -rf $HOME.py"], True, False),
    ],
)
def test_what_counts_as_code_and_as_training(paths: list[str], code: bool, training: bool) -> None:
    """Prose needs no test; data, preparation, trainer and stages can make another model."""
    assert changed(paths) == {"code": code, "training": training}


def test_a_path_is_never_an_output(tmp_path: Path) -> None:
    """A file whose name holds a line break cannot set an output of the step, and an option is no commit."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "--message=old"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    (tmp_path / "a\ntraining=true\n.md").write_text("")
    for command in (["add", "."], ["commit", "--quiet", "--message=new"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    output = tmp_path / "output"
    environment = os.environ | {"GITHUB_OUTPUT": str(output), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mlops.changes"]
    subprocess.run([*command, "HEAD^1", "HEAD"], cwd=tmp_path, env=environment, check=True)
    assert output.read_text() == "code=false\ntraining=false\n"
    refused = subprocess.run([*command, "--", "--output=x", "HEAD"], cwd=tmp_path, env=environment, check=False)
    assert refused.returncode != 0
    assert not (tmp_path / "x").exists()
