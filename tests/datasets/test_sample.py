"""Which conversations are taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlops.datasets.columns import prompt_id
from mlops.datasets.sample import Sample
from mlops.datasets.settings import DataSettings

PROMPTS = [prompt_id(f"prompt {number}") for number in range(4000)]


def sample(seed: int, percentage: float) -> Sample:
    """Return the sample of these settings."""
    rest = {"source": "chitchat", "validation_percentage": 5, "test_percentage": 10, "max_quarantine_percentage": 50}
    return Sample.of(DataSettings(seed=seed, percentage=percentage, **rest))


@given(seed=st.integers(-(2**63), 2**63 - 1), percentages=st.tuples(st.floats(0.1, 100), st.floats(0.1, 100)))
def test_a_smaller_percentage_takes_a_part_of_a_larger_one(seed: int, percentages: tuple[float, float]) -> None:
    """1 % is a part of 5 %, and 5 % of 100 %, with every seed."""
    small, large = (sample(seed, percentage) for percentage in sorted(percentages))
    assert all(large.takes(prompt) for prompt in PROMPTS[:200] if small.takes(prompt))


@given(seed=st.integers(-(2**63), 2**63 - 1), percentage=st.floats(0.1, 100))
def test_about_so_many_are_taken(seed: int, percentage: float) -> None:
    """A sample is uniform: within five standard deviations of the share that was asked for."""
    taken = sum(map(sample(seed, percentage).takes, PROMPTS))
    share = percentage / 100
    assert abs(taken - share * len(PROMPTS)) <= 5 * (share * (1 - share) * len(PROMPTS)) ** 0.5 + 1e-9


def test_all_is_all() -> None:
    """100 % leaves nothing out."""
    assert sample(0, 100).takes_all
    assert not sample(0, 99.9999).takes_all
