"""What can be judged: every metric of an evaluation, and which way is better."""

from __future__ import annotations

from typing import Final

HELD_OUT: Final = "held_out"
"""The suite of the data's own test split; beside it are the general set and the behavior cases."""
SUITES: Final = (HELD_OUT, "general", "behavior")
SLICES: Final = ("language", "length", "topic")

GREATER_IS_BETTER: Final[dict[str, bool | None]] = {
    "loss": False,
    "perplexity": False,
    "bits_per_byte": False,
    "rouge1": True,
    "rouge2": True,
    "rougeL": True,
    "chrf": True,
    "exact": True,
    "num_words": None,
    "repetition": False,
    "empty": False,
    "truncated": False,
    "refusal": None,
    "latency_s": False,
    "passed": True,
    "preference": True,
}
"""None where it depends on what the model is for."""
PASS_FAIL: Final = frozenset({"exact", "empty", "truncated", "refusal", "passed"})
