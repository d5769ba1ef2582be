"""`mlops report` and `mlops studio` on the command line, as far as they need no workspace."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from mlops.records import DataAsset, Split, seal


def mlops(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mlops` in a folder."""
    command = [sys.executable, "-m", "mlops.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_run_that_has_only_begun_has_a_report(tmp_path: Path) -> None:
    """It says how far the run came; the page's place is the last line."""
    split = Split(rows=704, characters=9, sha256="0" * 64, uri="azureml://x/train.jsonl")
    values = {"id": "azureml:a:1", "name": "a", "version": "1", "source": "<b>s</b>", "content_hash": "h"}
    asset = DataAsset(**values, quarantined=0, train=split, validation=split, test=split)
    (tmp_path / "runs" / "nightly").mkdir(parents=True)
    (tmp_path / "runs" / "nightly" / "prepare.json").write_bytes(seal(asset))
    result = mlops(tmp_path, "report", "nightly")
    assert (result.returncode, result.stdout) == (0, "runs/nightly/report.html\n")
    page = (tmp_path / "runs" / "nightly" / "report.html").read_text()
    assert "704 conversations" in page
    assert page.count("still to come") == 6
    assert "&lt;b&gt;s&lt;/b&gt;" in page


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Exit code 2 and one sentence, and nothing is written."""
    result = mlops(tmp_path, "report", "nobody")
    assert (result.returncode, len(result.stderr.splitlines())) == (2, 1)
    assert "runs/nobody holds no record" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_port_that_is_taken_is_said_before_the_workspace_is_asked(tmp_path: Path) -> None:
    """Exit code 2, and what to do instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = mlops(tmp_path, "studio", "--environment", "local", "--port", port)
    assert result.returncode == 2
    assert result.stderr == f"--port {port}: Address already in use; give another, or 0 for a free one\n"
