"""A world of one endpoint in memory: it checks every write by the rules that must never be broken."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlops.errors import BusyError, FencedError
from mlops.rollout import preflight
from mlops.rollout.bake import Asker, Clock
from mlops.rollout.examples import Example
from mlops.rollout.journal import Journal
from mlops.rollout.plan import RolloutPlan
from mlops.rollout.probe import Sample
from mlops.rollout.runner import Runner
from mlops.rollout.state import State
from mlops.rollout.users import Observer

QUICK = {
    "steps": (10, 50, 100),
    "bake_s": 0,
    "bake_max_s": 100,
    "post_bake_s": 0,
    "min_requests": 12,
    "concurrency": 4,
    "max_error_rate": 0.05,
    "max_bad_answers": 0.05,
    "max_latency_ratio": 2,
    "max_rouge_drop": 0.2,
    "effect_s": 100,
    "deadline_s": 100_000,
    "pause_s": 1000,
    "retain_s": 0,
    "keep_failed_s": 0,
    "max_windows": 2,
}
EXAMPLES = [
    Example(n, ({"role": "user", "content": f"question {n}"},), f"the answer number {n} is good") for n in range(30)
]


class KilledError(BaseException):
    """The process is gone."""


@dataclass
class World:
    """One endpoint with blue and green: what it serves, who holds its lease, and what goes wrong there."""

    traffic: dict[str, int] = field(default_factory=lambda: {"blue": 100})
    mirror: dict[str, int] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=lambda: {"owner": "somebody"})
    states: dict[str, str] = field(default_factory=lambda: {"blue": "Succeeded", "green": "Succeeded"})
    fingerprints: dict[str, str] = field(default_factory=lambda: {"blue": "b", "green": "g"})
    epoch: int = 0
    seconds: float = 1000.0
    writes: list[dict[str, int]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    is_smoked: bool = False
    busy: list[Exception] = field(default_factory=list)
    """What the next writes raise instead of being done."""
    behavior: dict[str, Callable[[], dict[str, Any]]] = field(default_factory=dict)
    """What a deployment's answers differ in from good ones."""
    kill_at: int = -1
    """At which journal line, or which call to Azure, the process dies."""
    killed: type[BaseException] = KilledError
    told: Callable[[State], None] = lambda _: None
    observer: Observer | None = None
    moments: int = 0
    journal: list[dict[str, Any]] = field(default_factory=list)
    dice: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - repeatable on purpose

    def harm(self, **answer: Any) -> None:
        """Let green answer badly as soon as it has traffic."""
        self.behavior["green"] = lambda: answer if "green" in self.traffic else {}

    def moment(self) -> None:
        """Die, if this is the moment."""
        if self.moments == self.kill_at:
            self.kill_at = -1
            raise KilledError
        self.moments += 1

    @property
    def live(self) -> dict[str, int]:
        """Return who has traffic."""
        return {name: weight for name, weight in self.traffic.items() if weight}

    def read(self) -> World:
        """Return the endpoint as it is."""
        self.moment()
        return self

    def write(self, traffic: Mapping[str, int], mirror: Mapping[str, int], tags: Mapping[str, str]) -> None:
        """Replace both maps, if Azure is not busy, and check the rules."""
        self.moment()
        if self.busy:
            raise self.busy.pop(0)
        assert int(tags["rollout-epoch"]) == self.epoch, "who was fenced writes"
        self.check(traffic, mirror)
        self.traffic, self.mirror = dict(traffic), dict(mirror)
        self.tags |= tags
        self.writes.append(dict(traffic))
        self.moment()

    def check(self, traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
        """Assert what Azure demands of a write, and what we do."""
        assert sum(traffic.values()) in {0, 100}
        assert sum(traffic.values()) == 100 or not self.traffic, "traffic is never taken from everybody"
        assert all(self.states.get(name) == "Succeeded" for name in {*traffic, *mirror})
        assert len(mirror) < 2
        assert not {*mirror} & {*traffic}
        assert all(0 < share <= 50 for share in mirror.values())
        assert self.is_smoked or not traffic.get("green"), "the candidate was never asked"

    def delete(self, deployment: str) -> None:
        """Delete a deployment, as Azure does only without traffic."""
        self.moment()
        assert not self.traffic.get(deployment)
        assert not self.mirror.get(deployment)
        self.states.pop(deployment, None)
        self.deleted.append(deployment)
        self.moment()

    def ask(self, messages: Any, *, deployment: str | None = None, stream: bool = False, example: int = -1) -> Sample:
        """Answer, as the pinned deployment or one drawn by the traffic."""
        assert messages
        self.seconds += 0.01
        name = deployment or self.dice.choices([*self.traffic], [*self.traffic.values()])[0]
        if not deployment:
            self.answered.append(name)
        good = {"status": 200, "seconds": 1.0, "text": f"the answer number {example} is good", "tokens": 6}
        given = good | self.behavior.get(name, dict)()
        self.is_smoked |= name == "green" and given["status"] == 200
        return Sample(pin=deployment, deployment=name, example=example, ttfb_s=0.1 if stream else None, **given)

    def streams(self, messages: Any, *, deployment: str) -> bool:
        """Serve streams."""
        assert messages
        return deployment == "green"

    def post(self, body: Any, *, deployment: str) -> Sample:
        """Refuse what is no question."""
        assert body
        return Sample(pin=deployment, deployment=deployment, status=424, seconds=0.1, text="no question")

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += max(seconds, 0.1)

    def runner(self) -> Runner:
        """Return a new process that has taken the lease."""
        self.epoch += 1
        clock = Clock(now=lambda: self.seconds, sleep=self.sleep)
        journal = _Journal(Path(), self)
        asker = Asker.of(self, EXAMPLES, candidate="green")  # type: ignore[arg-type]  # it answers like a probe
        return Runner(
            self, _Lease(self, self.epoch), asker, journal, lambda state, _: self.told(state), clock, self.observer
        )

    def plan(self, **settings: Any) -> RolloutPlan:
        """Return a quick plan."""
        return RolloutPlan.model_validate(QUICK | settings)

    def roll_out(self, **settings: Any) -> State:
        """Roll green out, as the stage does."""
        runner = self.runner()
        first = preflight.begin(self, self.plan(**settings), id="run", candidate="green", at=self.seconds)
        return runner.run(first)


@dataclass(frozen=True)
class _Lease:
    world: World
    epoch: int

    def check(self) -> None:
        if self.world.epoch > self.epoch:
            raise FencedError("somebody else has taken over")


@dataclass(frozen=True)
class _Journal(Journal):
    world: World

    def write(self, **entry: Any) -> None:
        self.world.moment()
        self.world.journal.append(entry)


@pytest.fixture
def make_world() -> Callable[..., World]:
    """Return a function that makes worlds."""
    return World


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Return a world in which blue serves everybody and green waits."""
    return make_world()


@pytest.fixture
def busy() -> Callable[[int], list[Exception]]:
    """Return a function that makes so many refusals of a busy Azure."""
    return lambda count: [BusyError("409: another operation is in progress") for _ in range(count)]
