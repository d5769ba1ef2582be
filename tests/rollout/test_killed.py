"""A runner that is killed: from the endpoint's tags alone, another one brings its rollout to an end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from mlops.rollout import breadcrumb, machine
from mlops.rollout.state import Phase

if TYPE_CHECKING:
    from tests.rollout.conftest import World

MakeWorld = Callable[..., "World"]
SMALL: dict[str, Any] = {"min_requests": 4, "concurrency": 2}


def resume(world: World, command: str = "recover") -> Phase:
    """Take up the rollout from its tags alone, as another machine does; return how it ended."""
    crumb = breadcrumb.read(world.tags)
    if crumb is None:
        return world.roll_out(**SMALL).phase  # nothing had been written: the stage is run again
    if crumb.phase is Phase.ROLLED_BACK:
        return crumb.phase
    state = breadcrumb.recovered(crumb, world.plan(**SMALL))
    runner = world.runner()
    return runner.run(machine.lost(state, at=world.seconds) if command == "recover" else state).phase


@pytest.mark.parametrize(("command", "fault"), [("recover", None), ("resume", "mirror"), ("recover", "errors at half")])
def test_killed_at_every_moment_it_ends_the_same(make_world: MakeWorld, command: str, fault: str | None) -> None:
    """At each journal line, before and after each call: from the tags alone, twice is once, and never BLOCKED."""
    settings = SMALL | ({"mirror": 20} if fault == "mirror" else {})

    def make(kill_at: int) -> World:
        world = make_world(kill_at=kill_at)
        if fault == "errors at half":
            world.behavior["green"] = lambda: {"status": 424} if world.traffic.get("green") == 50 else {}
        return world

    whole = make(-1)
    expected = whole.roll_out(**settings).phase
    for moment in range(whole.moments):
        world = make(moment)
        with pytest.raises(world.killed):
            world.roll_out(**settings)
        phase = resume(world, command)
        assert phase in (expected, Phase.ROLLED_BACK)
        assert phase is expected or command == "recover"
        assert (world.live, world.mirror) == ({"green": 100} if phase is Phase.SUCCEEDED else {"blue": 100}, {})
        assert resume(world, command) is phase
        assert world.deleted in ([], ["blue"])


def test_a_rollback_that_is_killed_is_rolled_back_again(make_world: MakeWorld) -> None:
    """Killed at every moment of a rollback, and again while that is taken up: the same write, the same end."""
    whole = make_world()
    whole.harm(status=500)
    whole.roll_out(**SMALL)
    for moment in range(whole.moments):
        world = make_world(kill_at=moment)
        world.harm(status=500)
        with pytest.raises(world.killed):
            world.roll_out(**SMALL)
        world.kill_at = world.moments + 6
        with suppress(world.killed):
            resume(world)
        world.kill_at = -1
        assert resume(world) is Phase.ROLLED_BACK
        assert world.live == {"blue": 100}


def test_every_action_is_journaled_before_it_is_done(world: World) -> None:
    """The last line of a killed runner says what it was about to do."""
    world.kill_at = 21
    with pytest.raises(world.killed):
        world.roll_out()
    intents = [line["do"] for line in world.journal if line["kind"] == "intent"]
    assert intents[:3] == ["SMOKE", "WARM", "WRITE"]
    assert world.journal[-1]["kind"] == "intent"
