"""Curves of metrics."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from mlops.reports.curves import HEIGHT, MOST_POINTS, WIDTH, curve

VALUES = st.lists(st.tuples(st.integers(0, 10_000), st.floats(-1e6, 1e6)), min_size=1, max_size=2_000)


@given(VALUES)
def test_a_curve_stays_in_its_box(values: list[tuple[int, float]]) -> None:
    """However many values, however far apart: a few hundred points, all inside."""
    drawn = curve("loss", sorted(values))
    assert drawn is not None
    points = [tuple(map(float, pair.split(","))) for pair in drawn.points.split()]
    assert 1 <= len(points) <= MOST_POINTS
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert drawn.lowest <= drawn.latest <= drawn.highest


def test_what_is_no_number_is_counted() -> None:
    """A loss that became NaN is drawn up to there and says so; one that never was a number is not drawn."""
    drawn = curve("loss", [(0, 4.0), (1, 3.0), (2, math.inf), (3, math.nan)])
    assert drawn is not None
    assert (drawn.num_values, drawn.num_not_finite) == (2, 2)
    assert math.isnan(drawn.latest)
    assert drawn.described.endswith("latest nan, 2 not finite")
    never = curve("loss", [(0, math.nan)])
    assert never is not None
    assert (never.num_values, never.points) == (0, "")
    assert curve("loss", []) is None


def test_what_never_changes_runs_through_the_middle() -> None:
    """At an edge it would look like a highest or a lowest value."""
    drawn = curve("loss", [(0, 4.0), (1, 4.0)])
    assert drawn is not None
    assert {point.split(",")[1] for point in drawn.points.split()} == {f"{HEIGHT / 2:.1f}"}


def test_a_curve_is_told_in_words() -> None:
    """Who does not see it hears from where to where it goes."""
    drawn = curve("loss", [(1, 4.0), (5, 2.5)])
    assert drawn is not None
    assert drawn.described == "loss: 2 values from step 1 to 5, lowest 2.5, highest 4, latest 2.5"
