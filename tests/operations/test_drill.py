"""What a drill measures, and when it measured nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mlops.errors import Refusal
from mlops.operations import drill
from mlops.operations.drill import Times
from mlops.records import Moment
from mlops.rollout import machine
from mlops.rollout.state import Phase
from mlops.settings import load

FIRST = machine.start(
    load("local", variables={}).rollout, id="drill", candidate="drill", fingerprints={}, traffic={"blue": 100}, at=0
)


def moments(*phases: Phase) -> list[Moment]:
    """Return a timeline with a second between its moments."""
    counts = dict.fromkeys(("weight", "num_requests", "num_failed", "stable_requests", "stable_failed"), 0)
    latency = dict.fromkeys(("latency_s", "stable_latency_s"))
    return [Moment(at=at, phase=phase, **counts, **latency) for at, phase in enumerate(phases)]


@pytest.mark.parametrize("between", [(), (Phase.BAKING, Phase.BAKING)])
def test_users_are_at_risk_from_the_write_on(between: tuple[Phase, ...]) -> None:
    """Even if it goes back before the weight was seen, and nothing was asked."""
    timeline = moments(Phase.SHIFTING, *between, Phase.ROLLING_BACK, Phase.ROLLING_BACK, Phase.ROLLED_BACK)
    ended = replace(FIRST, phase=Phase.ROLLED_BACK)
    assert drill.measured("chat", ended, timeline) == Times(detection_s=1 + len(between), recovery_s=2)


@pytest.mark.parametrize(
    "phases",
    [
        (Phase.SHIFTING, Phase.BAKING, Phase.ROLLED_BACK),
        (Phase.ROLLING_BACK, Phase.ROLLED_BACK),
        (Phase.SHIFTING, Phase.ROLLING_BACK, Phase.BLOCKED),
        (),
    ],
)
def test_what_was_not_rehearsed_is_refused_with_the_reason(phases: tuple[Phase, ...]) -> None:
    """Somebody else set the traffic back, it could not be written, or it did not come back."""
    ended = replace(FIRST, phase=phases[-1] if phases else Phase.FAILED, reason="because")
    told = f"drill on chat: no rollback was rehearsed, it ended {ended.phase}: because"
    with pytest.raises(Refusal, match=re.escape(told)):
        drill.measured("chat", ended, moments(*phases))
