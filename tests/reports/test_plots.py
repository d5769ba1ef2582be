"""Histograms, and curves of losses."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from mlops.datasets.lengths import Lengths
from mlops.reports.plots import length_histogram, losses, turn_histogram


@pytest.mark.parametrize("turns", [{2: 1}, {2: 10, 4: 3}, dict.fromkeys(range(2, 400, 2), 5), {2: 1, 100_000: 1}])
def test_turns_of_any_number_make_a_picture(turns: dict[int, int]) -> None:
    """Few bars, whatever the longest conversation is; what is drawn is well-formed."""
    svg = turn_histogram(turns)
    ET.fromstring(svg)  # noqa: S314 - drawn by us
    assert svg.count("var(--accent)") <= 31


def test_the_limit_is_drawn_where_it_is_seen() -> None:
    """A context longer than any conversation needs no line."""
    lengths = Lengths(
        unit="tokens", num_measured=2, mean=50, percentiles={}, longest=99, edges=(0, 50, 100), counts=(1, 1)
    )
    assert "stroke-dasharray" in length_histogram(lengths, limit=70)
    assert "stroke-dasharray" not in length_histogram(lengths, limit=4096)


@pytest.mark.parametrize(("second", "num_axes"), [({}, 1), ({"dpo_loss": [(1, 0.69), (2, 0.6)]}, 2)])
def test_an_alignments_loss_has_axes_of_its_own(second: dict[str, list[tuple[int, float]]], num_axes: int) -> None:
    """It is another loss than that of fine-tuning, and its steps begin anew."""
    svg = losses({"loss": [(1, 4.0), (2, 3.5)], "eval_loss": [(2, 3.6)]} | second)
    ET.fromstring(svg)  # noqa: S314 - drawn by us
    assert svg.count('id="axes_') == num_axes
    assert ("alignment" in svg) == bool(second)
