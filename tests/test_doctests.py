"""The examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PATHS = (path for package in ("mlops", "pipelines") for path in sorted((ROOT / package).rglob("*.py")))
WITH_EXAMPLES = [path.relative_to(ROOT) for path in PATHS if ">>> " in path.read_text()]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=str)
def test_an_example_in_a_docstring_is_true(path: Path) -> None:
    """What stands below `>>>` is what comes out."""
    results = doctest.testmod(importlib.import_module(".".join(path.with_suffix("").parts)))
    assert results.attempted
    assert not results.failed
