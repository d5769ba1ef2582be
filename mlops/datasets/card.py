"""The facts of a data card: what is in the splits, what was left out and why, and how it reads."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from heapq import nsmallest
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from mlops.datasets.lengths import Lengths, lengths
from mlops.datasets.lines import index, texts
from mlops.datasets.overlap.overlap import Example, Leak
from mlops.datasets.privacy import findings, placeholders
from mlops.datasets.words import normalize
from mlops.records import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from py3langid.langid import LanguageIdentifier

    from mlops.datasets.lines import Row
    from mlops.datasets.prepare import Prepared
    from mlops.datasets.settings import DataSettings

SAMPLE: Final = 2000
"""Conversations of a split that are tokenized; what is exact is counted over all."""
LANGUAGE_SAMPLE, LANGUAGE_CHARACTERS, LEAST_CONFIDENCE = 500, 500, 0.5
NGRAM_SAMPLE: Final = 400
NGRAMS: Final = (2, 4)
NUM_NGRAMS: Final = 12
NUM_EXAMPLES, MOST_MESSAGES, MOST_CHARACTERS = 4, 6, 600


class Message(Frozen):
    """What one side said, shortened."""

    role: str
    content: str


class Conversation(Frozen):
    """How a conversation begins, and how many messages follow."""

    messages: tuple[Message, ...]
    num_more: int


class SplitFacts(Frozen):
    """A split, all of it counted but the lengths: `turns` is conversations by number of messages."""

    name: str
    rows: int
    sha256: str
    messages: int
    characters: dict[str, int]
    turns: dict[int, int]
    lengths: Lengths


class DataCard(Frozen):
    """Everything the data card says; counts are rows unless they say otherwise."""

    source: str
    revision: str | None
    license: str | None
    columns: str
    content_hash: str
    settings_hash: str
    settings: dict[str, Any]
    read: int
    accepted: int
    sampled_out: int
    duplicates: int
    quarantined: dict[str, int]
    near_duplicates: int
    contaminated: int
    contaminated_by: dict[str, int]
    splits: tuple[SplitFacts, ...]
    languages: dict[str, int]
    ngrams: dict[int, dict[str, int]]
    """Of train's sample: the runs of n words that are in most conversations, and in how many."""
    num_ngram_sampled: int
    personal: dict[str, int]
    """Findings by kind, in the messages of all splits; where they are masked, what stood there."""
    examples: tuple[Conversation, ...]
    near_duplicate_examples: tuple[Example, ...]
    leaks: tuple[Leak, ...]

    @property
    def roles(self) -> list[str]:
        """Return who speaks, in any split."""
        return sorted({role for split in self.splits for role in split.characters})

    @property
    def fates(self) -> dict[str, int]:
        """Return what became of the rows that were read."""
        return {
            **{split.name: split.rows for split in self.splits},
            "near duplicate": self.near_duplicates,
            "shares text with what a model is judged by": self.contaminated,
            "exact duplicate": self.duplicates,
            "not in the sample": self.sampled_out,
            **{f"quarantine: {reason}": rows for reason, rows in self.quarantined.items()},
        }


def describe(prepared: Prepared, folder: Path, settings: DataSettings, *, tokenizer: Path | None) -> DataCard:
    """Return the facts of what was prepared into a folder, in one pass over each split.

    Lengths are in tokens of `tokenizer` (a tokenizer.json), without one in words. Raises DataError if it is none.
    """
    tallies = {name: _tally(folder / f"{name}.jsonl", settings) for name in prepared.splits}
    sample = tallies["train"].sample
    counts = prepared.counts
    return DataCard(
        source=prepared.source,
        revision=prepared.revision,
        license=prepared.license,
        columns=prepared.columns,
        content_hash=prepared.content_hash,
        settings_hash=prepared.settings_hash,
        settings=settings.model_dump(mode="json"),
        read=counts.read,
        accepted=counts.accepted,
        sampled_out=counts.sampled_out,
        duplicates=counts.duplicates,
        quarantined=counts.quarantined,
        near_duplicates=counts.near_duplicates,
        contaminated=counts.contaminated,
        contaminated_by=prepared.contaminated_by,
        splits=tuple(
            SplitFacts(
                name=name,
                rows=split.rows,
                sha256=split.sha256,
                messages=sum(size * rows for size, rows in tallies[name].turns.items()),
                characters=dict(tallies[name].characters),
                turns=dict(sorted(tallies[name].turns.items())),
                lengths=lengths(tallies[name].sample, tokenizer=tokenizer),
            )
            for name, split in prepared.splits.items()
        ),
        languages=_languages(sample[:LANGUAGE_SAMPLE]),
        ngrams=_ngrams(sample[:NGRAM_SAMPLE]),
        num_ngram_sampled=len(sample[:NGRAM_SAMPLE]),
        personal=dict(sum((tally.personal for tally in tallies.values()), Counter[str]()).most_common()),
        examples=tuple(_shortened(row) for row in sample[:NUM_EXAMPLES]),
        near_duplicate_examples=prepared.near_duplicate_examples,
        leaks=prepared.leaks,
    )


@dataclass
class _Tally:
    """What is counted on the way through a split, and an even sample of its rows (Vitter 1985, algorithm R)."""

    dice: random.Random
    personal_in: Callable[[str], Counter[str]]
    rows: int = 0
    turns: Counter[int] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    personal: Counter[str] = field(default_factory=Counter)
    sample: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.turns[len(row["messages"])] += 1
        for message in row["messages"]:
            self.characters[message["role"]] += len(message["content"])
        self.personal.update(self.personal_in("\n".join(message["content"] for message in row["messages"])))
        place = self.rows if self.rows < SAMPLE else self.dice.randrange(self.rows + 1)
        self.rows += 1
        if place < SAMPLE:
            self.sample[place : place + 1] = [row]


def _tally(path: Path, settings: DataSettings) -> _Tally:
    dice = random.Random(settings.seed)  # noqa: S311 - reproducible, not secret
    tally = _Tally(dice, placeholders if settings.mask else findings)
    for row in chain.from_iterable(block.rows() for block in index(path).blocks()):
        tally.add(row)
    tally.dice.shuffle(tally.sample)
    return tally


def _languages(sample: Sequence[Row]) -> dict[str, int]:
    """Return how many conversations are in which language (ISO 639-1); `und` where it is not clear."""
    identifier = _identifier()
    said = (" ".join(texts(row))[:LANGUAGE_CHARACTERS] for row in sample)
    return dict(Counter(identifier.classify(text)[0] for text in said).most_common())


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=LEAST_CONFIDENCE)


def _ngrams(sample: Sequence[Row]) -> dict[int, dict[str, int]]:
    """Return for each n the runs of n words that are in most conversations, and in how many."""
    counts: dict[int, Counter[tuple[str, ...]]] = {n: Counter() for n in NGRAMS}
    for row in sample:
        words = normalize(" ".join(texts(row))).decode().split()
        for n, count in counts.items():
            count.update(set(zip(*(words[start:] for start in range(n)), strict=False)))
    return {n: _most_common(count) for n, count in counts.items()}


def _most_common(count: Counter[tuple[str, ...]]) -> dict[str, int]:
    """Return the runs of words in most conversations, in order of the alphabet where there are as many of each."""
    first = nsmallest(NUM_NGRAMS, count.items(), key=lambda item: (-item[1], item[0]))
    return {" ".join(gram): rows for gram, rows in first}


def _shortened(row: Row) -> Conversation:
    messages = row["messages"]
    shown = (Message(role=message["role"], content=_short(message["content"])) for message in messages[:MOST_MESSAGES])
    return Conversation(messages=tuple(shown), num_more=max(0, len(messages) - MOST_MESSAGES))


def _short(text: str) -> str:
    left = len(text) - MOST_CHARACTERS
    return f"{text[:MOST_CHARACTERS]}… ({left:,} more characters)" if left > 0 else text
