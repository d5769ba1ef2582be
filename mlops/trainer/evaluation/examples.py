"""What is asked of every model: rows of the test data, general rows, behavior cases; and the table of what came out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from mlops.trainer.chat import Message

from .answers import words

if TYPE_CHECKING:
    import pyarrow as pa

HELD_OUT, GENERAL, BEHAVIOR = "held_out", "general", "behavior"
LENGTHS = ((50, "under 50 words"), (200, "50 to 199 words"))
LEAST_CONFIDENCE = 0.5


@dataclass(frozen=True, kw_only=True)
class Question:
    """One example as it is asked of every model, and what it is sliced by."""

    suite: str
    key: str
    prompt_id: str
    language: str
    length: str
    topic: str
    leaked: bool | None


@dataclass(frozen=True, kw_only=True)
class Example(Question):
    """One row of examples.parquet: what one model made of one question; None where it was not measured.

    Loss is None where max_seq_length left no assistant token.
    """

    model: str
    example: int
    prompt: str
    num_tokens: int | None = None
    loss: float | None = None
    perplexity: float | None = None
    bits_per_byte: float | None = None
    rouge1: float | None = None
    rouge2: float | None = None
    rougeL: float | None = None  # noqa: N815 (the name of the metric)
    chrf: float | None = None
    exact: bool | None = None
    num_words: int | None = None
    repetition: float | None = None
    empty: bool | None = None
    truncated: bool | None = None
    refusal: bool | None = None
    latency_s: float | None = None
    passed: bool | None = None
    prediction: str | None = None
    reference: str | None = None


def question(suite: str, messages: Sequence[Message], *, prompt_id: str, topic: str, leaked: bool | None) -> Question:
    """Describe an example; its key is the hash of its messages, so the same example twice has one key."""
    text = "\n".join(message["content"] for message in messages)
    canonical = json.dumps([[message["role"], message["content"]] for message in messages], ensure_ascii=False)
    return Question(
        suite=suite,
        key=hashlib.sha256(f"{suite}{canonical}".encode()).hexdigest()[:16],
        prompt_id=prompt_id,
        language=_language(text),
        length=next((name for limit, name in LENGTHS if len(words(text)) < limit), "200 words and more"),
        topic=topic,
        leaked=leaked,
    )


def write_examples(examples: Sequence[Example], path: Path) -> None:
    """Write the table, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    unfinished = path.with_suffix(".unfinished")
    pq.write_table(pa.Table.from_pylist([asdict(example) for example in examples], schema=_schema()), unfinished)
    unfinished.rename(path)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    hints = get_type_hints(Example)
    return pa.schema([(name, kinds[(get_args(hint) or (hint,))[0]]) for name, hint in hints.items()])


def _language(text: str) -> str:
    """Give the ISO 639-1 code of the language, `und` where that is not clear."""
    language, confidence = _identifier().classify(text[:500])
    return str(language) if confidence >= LEAST_CONFIDENCE else "und"


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
