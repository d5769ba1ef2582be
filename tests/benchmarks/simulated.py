"""Rollouts in the world of the tests, by the real runner and judge, with answers drawn at random."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Final

from controlled import PLAN
from faulty import KINDS
from row import Row, at_most

NUM: Final = 200
MOST_FALSE_ABORTS: Final = 0.01
MOST_MISSED: Final = 0.05


def rows() -> Iterator[Row]:
    """Yield how many candidates as good as the stable one were refused, and how many regressions were not."""
    kinds = [*KINDS] * (NUM // len(KINDS))
    with ProcessPoolExecutor() as pool:
        same = [*pool.map(_simulate, range(NUM), [{}] * NUM)]
        worse = [*pool.map(_simulate, range(NUM, NUM + len(kinds)), map(KINDS.get, kinds))]
    ends = Counter(end for end in same if end != "COMMITTED")
    yield at_most("false aborts, simulated", ends, NUM, MOST_FALSE_ABORTS)
    missed = Counter(kind for kind, end in zip(kinds, worse, strict=True) if end == "COMMITTED")
    yield at_most("missed regressions, simulated", missed, len(kinds), MOST_MISSED)


def _simulate(seed: int, fault: Mapping[str, float]) -> str:
    """Return how the rollout of a candidate with a fault ends."""
    dice, world = random.Random(seed), _worlds().World()  # noqa: S311 - repeatable on purpose
    world.dice = dice
    world.behavior = {"blue": lambda: _draw(dice, {}), "green": lambda: _draw(dice, fault if world.writes else {})}
    return str(world.roll_out(**PLAN | {"concurrency": 1}).phase)


def _draw(dice: random.Random, fault: Mapping[str, float]) -> dict[str, Any]:
    """Return how an answer differs: latencies are log-normal, two in a thousand fail in any case."""
    seconds = dice.lognormvariate(0, 0.3) * fault.get("slower", 1)
    if dice.random() < 0.002 + fault.get("errors", 0):
        return {"status": 424, "seconds": seconds, "text": ""}
    if dice.random() < fault.get("empty", 0):
        return {"seconds": seconds, "text": ""}
    if dice.random() < fault.get("garbled", 0):
        return {"seconds": seconds, "text": "\ufffd\ufffd"}
    return {"seconds": seconds}


@cache
def _worlds() -> Any:
    path = Path(__file__).parents[1] / "rollout" / "conftest.py"
    spec = importlib.util.spec_from_file_location("world", path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules["world"] = importlib.util.module_from_spec(spec)  # its dataclasses look themselves up
    spec.loader.exec_module(sys.modules["world"])
    return sys.modules["world"]
