"""What a sweep tries and which trial is best: the search space, its sampling, the objective."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.emulator.arm import snake_case
from mlops.emulator.errors import bad_request
from mlops.emulator.jobs import bayesian, early_termination

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mlops.emulator.jobs.early_termination import Policy

    Results = Sequence[tuple[dict[str, Any], float]]

# The service's own limits, for what a sweep does not say.
_MAX_TRIALS = 1000
_ALGORITHMS = ("random", "grid", "bayesian")
GOALS = ("minimize", "maximize")
# The order in which steps of pipelines name the arguments of a distribution that jobs list.
_ARGUMENTS = {
    "choice": ("values",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "loguniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "lognormal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "qlognormal": ("mu", "sigma", "q"),
}
# Bayesian sampling knows no others.
_BAYESIAN = frozenset({"choice", "uniform", "quniform"})


@dataclass(frozen=True)
class Sweep:
    """Which parameters are tried, how, how often and for which metric; `space` is name -> (kind, arguments)."""

    space: dict[str, tuple[str, list[Any]]]
    algorithm: str
    seed: int | None
    primary_metric: str
    goal: str
    max_trials: int
    max_concurrent: int
    timeout: str | None
    trial_timeout: str | None
    policy: Policy | None

    @property
    def is_minimized(self) -> bool:
        """Return whether a low value of the primary metric is a good one."""
        return self.goal == "minimize"


def read(body: Mapping[str, Any], *, where: str) -> Sweep:
    """Read the sweep of a job (camel case) or of a pipeline's step (snake case).

    Raise ArmError (400) for what the service refuses: an unknown distribution or algorithm, no goal, and
    distributions that the algorithm cannot sample.
    """
    space = body.get("searchSpace") or body.get("search_space") or {}
    sampling, seed = _algorithm(body.get("samplingAlgorithm") or body.get("sampling_algorithm") or "random")
    objective = snake_case(body.get("objective") or {})
    limits = snake_case(body.get("limits") or {})
    policy = snake_case(body.get("earlyTermination") or body.get("early_termination") or {})
    trials = int(limits.get("max_total_trials") or _MAX_TRIALS)
    sweep = Sweep(
        space={name: _distribution(name, rule, where=where) for name, rule in space.items()},
        algorithm=sampling,
        seed=seed,
        primary_metric=str(objective.get("primary_metric") or ""),
        goal=str(objective.get("goal") or "").lower(),
        max_trials=trials,
        max_concurrent=int(limits.get("max_concurrent_trials") or trials),
        timeout=limits.get("timeout"),
        trial_timeout=limits.get("trial_timeout"),
        policy=early_termination.read(policy, where=where),
    )
    _check(sweep, where=where)
    return sweep


def sample(sweep: Sweep, *, default_seed: str, results: Callable[[], Results]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of each trial; a grid or a seed gives the same ones again after a restart.

    `results` returns what the trials so far have reached, from which bayesian sampling learns.
    """
    if sweep.algorithm == "grid":
        names = list(sweep.space)
        grid = itertools.product(*(sweep.space[name][1][0] for name in names))
        return itertools.islice((dict(zip(names, point, strict=True)) for point in grid), sweep.max_trials)
    seed = default_seed if sweep.seed is None else sweep.seed
    return itertools.islice(_drawn(sweep, seed, results), sweep.max_trials)


def reached(sweep: Sweep, histories: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the best value that each trial has logged; those that logged none are left out."""
    choose = min if sweep.is_minimized else max
    return {name: choose(values) for name, values in histories.items() if values}


def best(sweep: Sweep, histories: Mapping[str, Sequence[float]]) -> tuple[str, float] | None:
    """Return the trial with the best value it ever logged, and that value; None if none logged a number."""
    choose = min if sweep.is_minimized else max
    return choose(reached(sweep, histories).items(), key=lambda item: item[1], default=None)


def _algorithm(given: Any) -> tuple[str, int | None]:
    if isinstance(given, str):
        return given.lower(), None
    fields = snake_case(given)
    return str(fields.get("sampling_algorithm_type") or fields.get("type")).lower(), fields.get("seed")


def _distribution(name: str, rule: Any, *, where: str) -> tuple[str, list[Any]]:
    kind, arguments = (rule[0], list(rule[1])) if isinstance(rule, list) else (str(rule.get("type")), [])
    if kind not in _ARGUMENTS:
        raise bad_request(f"{where}: search space {name!r} has the unknown distribution {kind!r}.")
    if isinstance(rule, dict):
        arguments = [rule[argument] for argument in _ARGUMENTS[kind]]
    return kind, arguments


def _check(sweep: Sweep, *, where: str) -> None:
    kinds = {kind for kind, _ in sweep.space.values()}
    if sweep.algorithm not in _ALGORITHMS:
        raise bad_request(f"{where}: unknown sampling algorithm {sweep.algorithm!r}; use {', '.join(_ALGORITHMS)}.")
    if not sweep.space:
        raise bad_request(f"{where}: a sweep needs a search space.")
    if sweep.goal not in GOALS or not sweep.primary_metric:
        raise bad_request(f"{where}: a sweep needs a primary metric and a goal, one of {', '.join(GOALS)}.")
    if sweep.algorithm == "grid" and kinds != {"choice"}:
        raise bad_request(f"{where}: grid sampling supports choice only, not {', '.join(sorted(kinds - {'choice'}))}.")
    if sweep.algorithm == "bayesian" and not kinds <= _BAYESIAN:
        raise bad_request(f"{where}: bayesian sampling supports {', '.join(sorted(_BAYESIAN))} only.")


def _drawn(sweep: Sweep, seed: str | int, results: Callable[[], Results]) -> Iterator[dict[str, Any]]:
    source = random.Random(seed)  # noqa: S311 - no secret is drawn

    def draw() -> dict[str, Any]:
        return {name: _draw(source, *rule) for name, rule in sweep.space.items()}

    while True:
        if sweep.algorithm == "random":
            yield draw()
        else:
            yield bayesian.propose(sweep.space, results(), draw, minimize=sweep.is_minimized)


def _draw(draw: random.Random, kind: str, arguments: list[Any]) -> Any:
    if kind == "choice":
        return draw.choice(arguments[0])
    if kind == "randint":
        return draw.randrange(int(arguments[0]))
    family = kind.removeprefix("q")
    low, high = float(arguments[0]), float(arguments[1])
    value = draw.uniform(low, high) if family.endswith("uniform") else draw.gauss(low, high)
    if family.startswith("log"):
        value = math.exp(value)
    return round(value / arguments[2]) * arguments[2] if kind.startswith("q") else value
