"""Measure the gate: how often it errs, whether its intervals and its predicted power are true, and how fast it is.

    python tests/benchmarks/gate.py

Pairs of a champion and a candidate are simulated with known true differences, and each pair is judged.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlops.gates.engine import expected_power, judge
from mlops.gates.rules import GateSettings, Rule
from mlops.records import RuleResult, Verdict

PAIRS, EXAMPLES = 1_000, 200
MEAN, SPREAD, NOISE = 4.0, 1.0, 0.25
"""Losses of a champion, and how much a candidate's loss of an example differs from the champion's."""
CONFIDENCE = 0.95
NOMINAL = (1 - CONFIDENCE) / 2
LARGE, RULES, MOST_SECONDS, MOST_MEGABYTES = 100_000, 20, 30, 500
PARTS = {
    "non-inferiority by 1 %": {"min_relative_change": -0.01},
    "superiority": {"min_absolute_change": 0.0},
}


@dataclass(frozen=True)
class Outcome:
    """What a thousand judgements of one true difference came to."""

    verdicts: Counter[Verdict]
    coverage: float
    predicted: float


def settings(*rules: Rule) -> GateSettings:
    """Return gate settings with these rules."""
    return GateSettings(rules=rules, confidence=CONFIDENCE, min_examples=100)


def columns(**metrics: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of one model."""
    size = len(next(iter(metrics.values())))
    labels = {name: np.full(size, "en") for name in ("language", "length", "topic")}
    keys = {"suite": np.full(size, "held_out"), "key": np.char.mod("%016x", np.arange(size))}
    return keys | labels | {name: np.ma.masked_array(values, mask=False) for name, values in metrics.items()}


def simulate(regression: float, change: dict[str, float], *, skewed: bool) -> Outcome:
    """Judge pairs whose candidate is truly worse by a share of the champion's mean loss."""
    rule = Rule(metric="loss", against="champion", greater_is_better=False, **change)
    dice = np.random.default_rng(int(regression * 1e4) + skewed)
    results = [_judged(dice, regression, rule, skewed=skewed) for _ in range(PAIRS)]
    true = -regression * MEAN
    return Outcome(
        Counter(result.verdict for result in results),
        float(np.mean([result.low <= true <= result.high for result in results])),
        float(np.mean([expected_power(result, true) for result in results])),
    )


def _judged(dice: np.random.Generator, regression: float, rule: Rule, *, skewed: bool) -> RuleResult:
    champion = dice.normal(MEAN, SPREAD, EXAMPLES)
    noise = dice.exponential(NOISE, EXAMPLES) - NOISE if skewed else dice.normal(0, NOISE, EXAMPLES)
    candidate = champion + regression * MEAN + noise
    return judge({"candidate": columns(loss=candidate), "champion": columns(loss=champion)}, settings(rule)).results[0]


def error_rates() -> bool:
    """Print what became of pairs of every true difference; return whether every floor was met."""
    print(f"{PAIRS:,} pairs of {EXAMPLES} examples, nominal error {NOMINAL:.1%} a side")
    print(f"{'true regression':>16} {'asked for':>24} {'noise':>7} | accepted  inconcl.  rejected | "
          "rejected, predicted | interval covers | verdict")  # fmt: skip
    regressions = (0.0, 0.01, 0.02, 0.05)
    met = [_row(regression, name, skewed=False) for name in PARTS for regression in regressions]
    met += [_row(regression, "superiority", skewed=True) for regression in regressions[:2]]
    return all(met)


def _row(regression: float, name: str, *, skewed: bool) -> bool:
    outcome = simulate(regression, PARTS[name], skewed=skewed)
    share = {verdict: outcome.verdicts[verdict] / PAIRS for verdict in Verdict}
    chance = 3 * np.sqrt(NOMINAL * (1 - NOMINAL) / PAIRS)
    required = 0.01 if name.startswith("non") else 0.0
    wrong = (
        share[Verdict.REJECTED if regression < required else Verdict.ACCEPTED]
        if regression != required
        else max(share[Verdict.ACCEPTED], share[Verdict.REJECTED])
    )
    checks = {
        "errors": wrong <= NOMINAL + chance,
        "coverage": abs(outcome.coverage - CONFIDENCE) <= 0.02,
        "power": abs(share[Verdict.REJECTED] - outcome.predicted) <= 0.05,
    }
    missed = ", ".join(check for check, is_met in checks.items() if not is_met)
    print(
        f"{regression:>16.0%} {name:>24} {'skewed' if skewed else 'normal':>7} | {share[Verdict.ACCEPTED]:8.1%}  "
        f"{share[Verdict.INCONCLUSIVE]:8.1%}  {share[Verdict.REJECTED]:8.1%} | {outcome.predicted:19.1%} | "
        f"{outcome.coverage:15.1%} | {'missed: ' + missed if missed else 'met'}",
        flush=True,
    )
    return not missed


def speed() -> bool:
    """Judge the largest evaluation in a process of its own; return whether it was in time and in memory."""
    result = subprocess.run([sys.executable, __file__, "large"], capture_output=True, text=True, check=True)
    seconds, megabytes = (float(word) for word in result.stdout.split())
    met = seconds < MOST_SECONDS and megabytes < MOST_MEGABYTES
    print(f"\n{LARGE:,} examples x {RULES} rules, from the parquet file: {seconds:.1f} s CPU (floor {MOST_SECONDS} s), "
          f"{megabytes:.0f} MB (floor {MOST_MEGABYTES} MB): {'met' if met else 'missed'}")  # fmt: skip
    return met


def large() -> None:
    """Write, read and judge; print the CPU seconds of reading and judging and the peak of the whole process."""
    import tempfile

    from mlops.datasets.examples import file_sha256, read_scores

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "examples.parquet"
        _write_large(path)
        digest, start = file_sha256(path), time.process_time()
        scores = read_scores(path, sha256=digest)
        sliced = Rule(
            metric="loss", against="champion", greater_is_better=False, min_relative_change=-0.01, slices=("language",)
        )
        passing = Rule(metric="passed", against="champion", greater_is_better=True, min_absolute_change=-0.01)
        judge(scores, settings(*[sliced, passing] * (RULES // 2)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(time.process_time() - start, peak)


def _write_large(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    dice, writer = np.random.default_rng(0), None
    for model in ("candidate", "champion", "base"):
        table = pa.table(
            {
                "model": pa.array([model] * LARGE),
                **{name: pa.array(["en", "de"] * (LARGE // 2)) for name in ("language", "length", "topic")},
                "suite": pa.array(["held_out"] * LARGE),
                "key": pa.array([f"{number:016x}" for number in range(LARGE)]),
                "loss": dice.normal(MEAN, SPREAD, LARGE),
                "passed": dice.random(LARGE) < 0.9,
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()  # type: ignore[union-attr]  # three models were written


def main() -> int:
    """Measure all; return 1 if a floor was missed."""
    if sys.argv[1:] == ["large"]:
        large()
        return 0
    return 0 if all([error_rates(), speed()]) else 1


if __name__ == "__main__":
    sys.exit(main())
