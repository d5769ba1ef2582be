"""How far one training set is from another."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from mlops.datasets.drift import Drift, compare
from mlops.datasets.settings import DriftSettings

Rows = list[bytes]


def lines(count: int, *, seed: int, words: int = 40, vocabulary: int = 500) -> Rows:
    """Return conversations of random words."""
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def text() -> str:
        return " ".join(f"word{int(dice.paretovariate(1)) % vocabulary}" for _ in range(dice.randint(1, 2 * words)))

    messages = ([{"role": "user", "content": text()}, {"role": "assistant", "content": text()}] for _ in range(count))
    return [orjson.dumps({"messages": message}) + b"\n" for message in messages]


@pytest.fixture
def drift(tmp_path: Path) -> Callable[[Rows, Rows], Drift]:
    """Return a function that compares two sets of rows."""

    def compared(old: Rows, new: Rows) -> Drift:
        for name, rows in (("old", old), ("new", new)):
            (tmp_path / name).write_bytes(b"".join(rows))
        return compare(tmp_path / "old", tmp_path / "new")

    return compared


def test_the_same_rows_in_another_order_are_no_drift(drift: Callable[[Rows, Rows], Drift]) -> None:
    """Nothing is new, nothing removed, and no distance is left."""
    rows = lines(400, seed=0)
    found = drift(rows, rows[::-1])
    assert (found.num_old, found.num_new, found.new_percentage, found.removed_percentage) == (400, 400, 0, 0)
    assert found.reasons(DriftSettings()) == ()


def test_chance_is_no_drift(drift: Callable[[Rows, Rows], Drift]) -> None:
    """Two samples of one distribution share no row and differ in words, but not more than two halves of both do."""
    found = drift(lines(400, seed=1), lines(600, seed=2))
    assert found.new_percentage == found.removed_percentage == 100
    assert found.vocabulary.measured > 0
    assert found.vocabulary.change < 0.01
    assert found.length.change < 0.03
    assert found.reasons(DriftSettings(max_new_percentage=100)) == ()


@pytest.mark.parametrize(("change", "reason"), [({"words": 60}, "lengths"), ({"vocabulary": 20}, "words")])
def test_other_lengths_or_words_are_drift(
    drift: Callable[[Rows, Rows], Drift], change: dict[str, int], reason: str
) -> None:
    """What changed is said, with the number and the limit."""
    found = drift(lines(400, seed=3), lines(400, seed=4, **change))
    (said,) = found.reasons(DriftSettings(max_new_percentage=100))
    assert said.startswith(f"the {reason} changed by 0.")


def test_new_rows_are_counted(drift: Callable[[Rows, Rows], Drift]) -> None:
    """New is a share of the newer rows, removed one of the older; duplicates count once."""
    rows = lines(300, seed=5)
    found = drift(rows[:200] * 2, rows[100:])
    assert (found.new_percentage, found.removed_percentage) == (50, 50)
    assert found.reasons(DriftSettings(max_new_percentage=49)) == ("50.0 % of the rows are new, more than 49",)
    assert found.reasons(DriftSettings(max_new_percentage=50)) == ()
