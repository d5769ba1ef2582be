"""What GitHub Actions says to a step."""

from __future__ import annotations

import json

import pytest

from mlops import github


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
