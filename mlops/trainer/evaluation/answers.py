"""What can be said of an answer by itself, and beside the one that was expected."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

REFUSALS = re.compile(
    r"\b(i( can\Wt| cannot| can not| won\Wt| will not|(\Wm| am) (unable|not able) to) "
    r"(help (you|with)|assist|answer|provide|comply|discuss|do (that|this|so))|"
    r"as an ai\b|i must decline|against my (guidelines|policy))",
    re.IGNORECASE,
)
"""English only, with any apostrophe; being sorry or afraid is no refusal by itself."""
OPENING, CLOSING = " \"'“\u2018«([{¿¡*`", " \"'”\u2019»)]}.,;:!?*`"
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
        "exact": is_exact(answer.text, reference) if closed else None,
        "num_words": len(words(answer.text)),
        "repetition": repetition(answer.text),
        "empty": not answer.text.strip(),
        "truncated": answer.truncated,
        "refusal": REFUSALS.search(answer.text) is not None,
        "latency_s": answer.latency_s,
    }


def is_exact(text: str, reference: str) -> bool:
    """Tell whether an answer is the reference, but for case, spaces, and punctuation around it; nothing is no answer.

    >>> is_exact("**Paris.**", "paris"), is_exact("-5", "5"), is_exact("C", "C++"), is_exact("", "")
    (True, False, False, False)
    """
    said, expected = _bare(text), _bare(reference)
    return said == expected != ""


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(folded.split()).lstrip(OPENING).rstrip(CLOSING)


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
