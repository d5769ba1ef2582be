"""The comment under a pull request."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.errors import InputError
from mlops.reports.pull_request import body

LINK = "https://github.com/owner/name/actions/runs/1"


@pytest.mark.parametrize(
    ("jobs", "headline"),
    [
        ({"checks": "", "release": ""}, "⏳ Running"),
        ({"checks": "failure", "release": ""}, "❌ checks did not pass"),
        ({"checks": "success", "release": "cancelled"}, "❌ release did not pass"),
        ({"checks": "success", "prepare": "skipped"}, "✅ Checks passed, nothing was trained"),
    ],
)
def test_the_verdict_stands_first(jobs: dict[str, str], headline: str) -> None:
    """Who reads one line reads what matters."""
    text = body(jobs, (), link=LINK)
    assert text.startswith(f"## {headline}\n")
    assert LINK in text


@pytest.fixture
def gh(tmp_path: Path) -> Path:
    """Return a folder with a `gh` that keeps what it is told."""
    program = tmp_path / "bin" / "gh"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" > told\ncat runs/comment.md > written\necho "$STATUS"\nexit $STATUS\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def comment(folder: Path, number: str, jobs: str, *, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `mlops comment` where `gh` is ours."""
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "JOBS": jobs, "STATUS": str(status), "GITHUB_RUN_ID": "1"}
    command = [sys.executable, "-m", "mlops.cli", "comment", number]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_there_is_one_comment_and_it_is_edited(gh: Path) -> None:
    """The program gh is told to edit its last comment, or to make the first."""
    result = comment(gh, "7", '{"checks": {"result": "success", "outputs": {}}}')
    assert result.returncode == 0, result.stderr
    expected = ["pr", "comment", "7", "--edit-last", "--create-if-none", "--body-file", "runs/comment.md"]
    assert (gh / "told").read_text().splitlines() == expected
    assert "✅ checks" in (gh / "written").read_text()


@pytest.mark.parametrize(
    ("number", "jobs", "status", "said"),
    [
        ("7; touch pwned", "{}", 0, "is no number of a pull request"),
        ("7", "[1]", 0, "$JOBS must be what"),
        ("7", "{}", 1, "gh could not comment on pull request 7"),
    ],
)
def test_a_mistake_is_a_sentence(gh: Path, number: str, jobs: str, status: int, said: str) -> None:
    """Exit 2, and nothing was run that somebody wrote."""
    result = comment(gh, number, jobs, status=status)
    assert result.returncode == InputError.exit_code
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (gh / "pwned").exists()
