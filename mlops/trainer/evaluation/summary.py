"""The metrics of a model, from those of its examples."""

import math
from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any

from mlops.trainer.score import Score

from .examples import BEHAVIOR, GENERAL, HELD_OUT, Example

AVERAGED = (
    "rouge1", "rouge2", "rougeL", "chrf", "exact", "num_words", "repetition",
    "empty", "truncated", "refusal", "latency_s", "passed",
)  # fmt: skip


def likelihood(score: Score) -> dict[str, Any]:
    """Give the columns that a score fills."""
    return {
        "num_tokens": score.num_tokens,
        "loss": score.loss,
        "perplexity": score.perplexity,
        "bits_per_byte": score.bits_per_byte,
    }


def summarize(examples: list[Example], scores: list[Score]) -> dict[str, Any]:
    """Give the metrics of a model: of the test data by their own names, of the other suites with theirs before it.

    Losses weigh each token alike, everything else each example.
    """
    metrics: dict[str, Any] = {}
    for suite, prefix in ((HELD_OUT, ""), (GENERAL, "general_"), (BEHAVIOR, "behavior_")):
        rows = [example for example in examples if example.suite == suite]
        losses = [scores[example.example] for example in rows if example.loss is not None]
        if losses:
            metrics |= {f"{prefix}{name}": value for name, value in likelihood(reduce(add, losses)).items()}
        metrics |= {f"{prefix}{name}": value for name, value in _means(rows)}
    held_out = [example for example in examples if example.suite == HELD_OUT]
    return metrics | {
        "num_examples": sum(example.loss is not None for example in held_out),
        "num_generations": sum(example.prediction is not None for example in held_out),
    }


def _means(examples: list[Example]) -> Iterator[tuple[str, float]]:
    for name in AVERAGED:
        values = [float(value) for example in examples if (value := getattr(example, name)) is not None]
        if values:
            yield name, math.fsum(values) / len(values)
