"""A deployment's document becomes the containers it means."""

from __future__ import annotations

from pathlib import Path

from mlops.emulator.online import specification
from mlops.emulator.online.images import Image


def test_a_variable_that_is_null_is_none() -> None:
    """A null among the environment variables is as if the variable was left out."""
    given = {"environmentVariables": {"A": None, "B": "b"}, "livenessProbe": None}
    document = {"properties": specification.with_defaults(given), "sku": {"capacity": 1}}
    image = Image(python=Path("/usr/bin/python"), arguments=(), variables={}, folder=Path())
    spec = specification.spec(document, image)
    assert "A" not in spec.environment
    assert (spec.environment["B"], spec.liveness.period_s) == ("b", 10)
