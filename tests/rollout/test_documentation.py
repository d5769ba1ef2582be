"""docs/rollout.md: all promises, each with a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

from mlops.commands import rollout

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "rollout.md").read_text()


def test_every_promise_names_a_test_that_exists() -> None:
    """31 rows, and no name that only the page knows."""
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", TEXT, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 32))
    source = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name in re.findall(r"`(test_\w+)`", TEXT):
        assert f"def {name}(" in source, name


def test_every_order_is_explained() -> None:
    """What can be typed can be looked up."""
    for verb in (*rollout.ORDERS, *rollout.VERBS):
        assert f"`mlops rollout {verb} --environment E`" in TEXT
