"""What GitHub Actions says to a step."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mlops import github
from mlops.errors import InputError


@pytest.mark.parametrize(
    ("said", "inputs"),
    [
        ("", None),
        ("null", {}),
        ("{}", {}),
        (json.dumps({"environment": "dev", "run": "", "source": "hub:a/b@c", "detach": True}), {"source": "hub:a/b@c"}),
    ],
)
def test_a_release_says_what_it_was_started_with(
    monkeypatch: pytest.MonkeyPatch, said: str, inputs: dict[str, str] | None
) -> None:
    """By hand with what was filled in, by a push with nothing; where there is no release, there are none."""
    monkeypatch.setenv(github.RELEASE, said)
    assert github.release_inputs() == inputs


def test_what_gh_cannot_do_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without GitHub's command line, or without its consent: what was wanted, and what to do."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^gh could not comment: there is no gh here\. Install"):
        github.gh("pr", "comment", aim="comment", needs="pull-requests")
    program = tmp_path / "gh"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.exit('HTTP 403' if sys.argv[1] == 'no' else print('yes'))\n"
    )
    program.chmod(0o755)
    with pytest.raises(
        InputError, match=r"^gh could not comment: HTTP 403\. Give the job `permissions: actions: write`"
    ):
        github.gh("no", aim="comment", needs="actions")
    assert github.gh("pr", aim="comment", needs="actions") == "yes"
