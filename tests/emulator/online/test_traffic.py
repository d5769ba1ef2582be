"""The rules of the traffic and mirror maps, and the draw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.emulator.online.traffic import draw, draw_mirror, refusal

NAMES = ("blue", "green", "red")
STATES = dict.fromkeys(NAMES, "Succeeded")


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(-10, 110)), st.sampled_from(["Succeeded", "Failed"]))
def test_accepted_traffic_sums_to_0_or_100_over_deployments_that_succeeded(traffic: dict[str, int], blue: str) -> None:
    """A map is accepted if and only if its weights are percents, sum to 0 or 100 and go to what succeeded."""
    states = STATES | {"blue": blue}
    percents = all(0 <= weight <= 100 for weight in traffic.values())
    sound = all(states[name] == "Succeeded" for name, weight in traffic.items() if weight)
    accepted = refusal(traffic, mirror={}, states=states) is None
    assert accepted == (percents and sum(traffic.values()) in {0, 100} and sound)


@given(st.integers(0, 100), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100), max_size=3))
def test_accepted_mirror_is_at_most_50_percent_to_one_deployment_without_live_traffic(
    blue: int, mirror: dict[str, int]
) -> None:
    """A mirror map is accepted if and only if it sends at most 50 percent to one deployment that has 0 live."""
    traffic = {"blue": blue, "green": 100 - blue}
    shadows = [name for name, percent in mirror.items() if percent]
    right = len(shadows) <= 1 and all(percent <= 50 for percent in mirror.values())
    right = right and not any(traffic.get(name) for name in shadows)
    assert (refusal(traffic, mirror=mirror, states=STATES) is None) == right


@pytest.mark.parametrize(
    ("traffic", "mirror", "word"),
    [
        ({"blue": 50}, {}, "sum to 0 or 100, not 50"),
        ({"blue": 99.5, "green": 0.5}, {}, "must be an integer"),
        ({"blue": True}, {}, "must be an integer"),
        ({"purple": 100}, {}, "does not exist"),
        ({"failed": 100}, {}, "is Failed, not Succeeded"),
        ({"blue": 100}, {"green": 51}, "from 0 to 50, not 51"),
        ({"blue": 100}, {"green": 10, "red": 10}, "one deployment only"),
        ({"blue": 100}, {"blue": 10}, "receives live traffic"),
        ({"blue": 100}, {"purple": 10}, "does not exist"),
    ],
)
def test_refusals_name_the_rule(traffic: dict[str, int], mirror: dict[str, int], word: str) -> None:
    """Every refusal says which rule was broken, by what."""
    reason = refusal(traffic, mirror=mirror, states=STATES | {"failed": "Failed"})
    assert reason is not None
    assert word in reason


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100)), st.floats(0, 1, exclude_max=True))
def test_draw_never_picks_a_deployment_without_weight(traffic: dict[str, int], point: float) -> None:
    """Only deployments with positive weight are drawn, and one always is if there is one."""
    drawn = draw(traffic, point)
    assert (drawn is None) == (sum(traffic.values()) == 0)
    assert drawn is None or traffic[drawn] > 0


@given(st.integers(0, 100))
def test_draw_gives_each_its_share(blue: int) -> None:
    """Of points spread evenly over [0, 1), each deployment gets its percentage exactly."""
    drawn = [draw({"blue": blue, "green": 100 - blue}, (point + 0.5) / 100) for point in range(100)]
    assert drawn.count("blue") == blue


@given(st.integers(0, 50))
def test_mirror_copies_its_percentage(percent: int) -> None:
    """Of points spread evenly over [0, 1), the mirror gets its percentage exactly."""
    drawn = [draw_mirror({"green": percent}, (point + 0.5) / 100) for point in range(100)]
    assert drawn.count("green") == percent
