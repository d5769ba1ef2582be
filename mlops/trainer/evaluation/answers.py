"""What can be said of an answer by itself, and beside the one that was expected."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

REFUSALS = re.compile(
    r"\b(i('m| am) (sorry|afraid|unable)|i (can('t|not)|won't|will not) (help|assist|answer|provide|do|comply|discuss)|"
    r"as an ai\b|i must decline|against my (guidelines|policy))",
    re.IGNORECASE,
)
GRAM = 4  # words; how often runs of four repeat is the usual measure (Welleck et al. 2020)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model said, whether it was cut off, and its share of the time of its batch."""

    text: str
    truncated: bool
    latency_s: float


@dataclass(frozen=True)
class _Words:
    """Words of any script: rouge-score's own tokenizer knows ASCII only and gives other languages a 0."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def measure(answer: Answer, reference: str, *, closed: bool) -> dict[str, Any]:
    """Measure an answer; whether it is exactly the reference is asked of closed questions only."""
    scores = _rouge().score(reference, answer.text)
    return {
        "prediction": answer.text,
        "reference": reference,
        **{name: score.fmeasure for name, score in scores.items()},
        "chrf": _chrf().sentence_score(answer.text, [reference]).score / 100,
        "exact": words(answer.text) == words(reference) if closed else None,
        "num_words": len(words(answer.text)),
        "repetition": repetition(answer.text),
        "empty": not answer.text.strip(),
        "truncated": answer.truncated,
        "refusal": REFUSALS.search(answer.text) is not None,
        "latency_s": answer.latency_s,
    }


def words(text: str) -> list[str]:
    """Give the words of a text in lower case, without punctuation.

    >>> words("Well, I never!")
    ['well', 'i', 'never']
    """
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower())


def repetition(text: str) -> float:
    """Give the share of runs of four words that stood in the text before.

    >>> repetition("so it is so it is so it is")
    0.5
    """
    said = words(text)
    grams = list(zip(*(said[start:] for start in range(GRAM)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def similarity(text: str, other: str) -> float:
    """Give the chrF of two texts, from 0 to 1."""
    return float(_chrf().sentence_score(text, [other]).score) / 100


def measure_all(answers: Sequence[Answer], references: Sequence[str], closed: Sequence[bool]) -> list[dict[str, Any]]:
    """Measure each answer beside its reference."""
    return [
        measure(answer, reference, closed=is_closed)
        for answer, reference, is_closed in zip(answers, references, closed, strict=True)
    ]


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Words())


@cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
