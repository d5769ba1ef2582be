"""Intervals and tests, held against those of scipy and of the papers they are from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats

from mlops.gates import statistics
from mlops.gates.statistics import (
    Mean,
    PairedShare,
    Share,
    distance_seen,
    examples_needed,
    holm,
    power_to_see,
    reach_for,
)

VALUES = np.random.default_rng(3).exponential(1, 150) - 0.9


def test_the_interval_is_the_one_of_scipy() -> None:
    """BCa with the closed form of the acceleration is BCa by the jackknife, draw for draw."""
    found = stats.bootstrap(
        (VALUES,), np.mean, confidence_level=0.9, n_resamples=statistics.RESAMPLES, method="BCa", rng=_same_draws()
    )
    assert Mean(VALUES).interval(0.9) == pytest.approx(tuple(found.confidence_interval))


def _same_draws() -> np.random.Generator:
    """Return dice whose whole numbers are drawn as `Mean` draws them."""

    class Dice(np.random.Generator):
        def integers(self, low: int, high: int, size: object = None, **_: object) -> np.ndarray:
            return super().integers(low, high, size, dtype=np.uint16)

    return Dice(np.random.PCG64(statistics.SEED))


@pytest.mark.parametrize("estimate", [Mean(VALUES), Mean(np.tile(VALUES, 20)), Share((VALUES > 0).astype(float), 0.4)])
def test_bounds_and_p_values_say_the_same(estimate: Mean | Share) -> None:
    """A required change at a bound of the interval has half of the interval's error as p-value."""
    low, high = estimate.interval(0.9)
    assert estimate.p_not_above(low) == pytest.approx(0.05, abs=2e-3)
    assert estimate.p_not_below(high) == pytest.approx(0.05, abs=2e-3)


@pytest.mark.parametrize(("gained", "lost", "same", "change"), [(5, 9, 30, 0.05), (0, 1, 43, -0.1), (7, 0, 20, 0.1)])
def test_the_score_of_a_paired_share_is_the_likelihoods(gained: int, lost: int, same: int, change: float) -> None:
    """Tango's closed form is the largest likelihood under a supposed change, found here by search."""
    size = gained + lost + same

    def against(share_lost: float) -> float:
        share_gained = share_lost + change
        return -(
            special.xlogy(gained, share_gained)
            + special.xlogy(lost, share_lost)
            + special.xlogy(same, 1 - share_gained - share_lost)
        )

    bounds = (max(0.0, -change) + 1e-9, (1 - change) / 2 - 1e-9)
    share_lost = optimize.minimize_scalar(against, bounds=bounds, options={"xatol": 1e-10}).x
    error = np.sqrt((2 * share_lost + change - change**2) / size)
    distance = ((gained - lost) / size - change) / error
    estimate = PairedShare(np.r_[np.ones(gained), -np.ones(lost), np.zeros(same)])
    assert estimate.p_not_above(change) == pytest.approx(stats.norm.sf(distance), abs=1e-4)


@settings(deadline=None, max_examples=50)
@given(gained=st.integers(0, 20), lost=st.integers(0, 20), same=st.integers(0, 100))
def test_a_paired_interval_holds_what_was_seen(gained: int, lost: int, same: int) -> None:
    """The share that was seen lies in its interval, and better for one model is worse for the other."""
    differences = np.r_[np.ones(gained), -np.ones(lost), np.zeros(same + 2)]
    low, high = PairedShare(differences).interval(0.95)
    assert -1 <= low <= PairedShare(differences).change <= high <= 1
    assert PairedShare(-differences).interval(0.95) == pytest.approx((-high, -low), abs=1e-6)


def test_against_no_change_the_test_is_mcnemar() -> None:
    """Nine gained and one lost: the binomial test of one in ten."""
    estimate = PairedShare(np.r_[np.ones(9), -1.0, np.zeros(40)])
    assert estimate.p_not_above(0) == pytest.approx(stats.binomtest(9, 10, alternative="greater").pvalue)
    assert PairedShare(np.zeros(40)).p_not_above(0) == 1


def test_what_never_varies_is_certain() -> None:
    """Every example changed by as much: the interval is that one number."""
    constant = Mean(np.full(30, 0.25))
    assert constant.interval(0.95) == (0.25, 0.25)
    assert (constant.p_not_above(0.2), constant.p_not_below(0.2)) == (0, 1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_makes_a_finding_surer(p_values: list[float]) -> None:
    """Corrected values are no smaller, at most 1, and in the same order."""
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    ranked = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)


def test_holm_steps_down() -> None:
    """The smallest is multiplied by their number, the next by one less (Holm 1979)."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_the_power_of_a_mean_is_that_of_its_error() -> None:
    """Number of examples and power are each other's inverse."""
    estimate = Mean(np.tile([-0.9, 1.1], 50_000))
    number = examples_needed(lambda size: estimate.power(size, required=0, alpha=0.025), power=0.8, least=2)
    assert number == pytest.approx(785, abs=1)
    assert number is not None
    error = 1 / number**0.5
    assert power_to_see(0.1, error, reach=1.96 * error) == pytest.approx(0.8, abs=1e-3)
    assert distance_seen(error, reach=1.96 * error, power=0.8) == pytest.approx(0.1, abs=1e-3)
    assert examples_needed(lambda _: 0.025, power=0.8, least=2) is None


@pytest.mark.parametrize("size", [41, 80, 100])
def test_the_power_of_a_paired_share_is_the_sum_over_what_may_be_drawn(size: int) -> None:
    """One loss of forty, of which a tenth is allowed: 41 examples decide a third of the time, a hundred nine times."""
    seen = PairedShare(np.r_[-1.0, np.zeros(39)])
    lost = np.arange(size + 1)
    decides = [PairedShare(np.r_[-np.ones(few), np.zeros(size - few)]).p_not_above(-0.1) <= 0.025 for few in lost]
    exact = float(stats.binom.pmf(lost, size, 1 / 40) @ decides)
    assert seen.power(size, required=-0.1, alpha=0.025) == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize("required", [0.05, -0.2])
def test_the_power_of_a_share_is_the_sum_over_what_may_pass(required: float) -> None:
    """Whether it decides for or against: the binomial weights of the counts that would."""
    seen, passed = Share(np.r_[np.ones(24), np.zeros(16)], 0.7), np.arange(101)
    shares = [Share(np.r_[np.ones(few), np.zeros(100 - few)], 0.7) for few in passed]
    above = seen.change > required
    decides = [(one.p_not_above(required) if above else one.p_not_below(required)) <= 0.025 for one in shares]
    exact = float(stats.binom.pmf(passed, 100, 0.6) @ decides)
    assert seen.power(100, required=required, alpha=0.025) == pytest.approx(exact, abs=0.03)


def test_an_error_that_is_shared_makes_bounds_reach_farther() -> None:
    """Half of 5 % a side is 1.96 standard errors, half of that 2.24 (Bonferroni)."""
    assert reach_for(1.96, alpha=0.025, tests=1) == pytest.approx(1.96)
    assert reach_for(1.96, alpha=0.025, tests=2) == pytest.approx(2.24, abs=0.01)
