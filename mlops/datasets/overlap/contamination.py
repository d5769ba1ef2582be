"""Contamination: training conversations that hold text which a model will be judged by."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from mlops.datasets import words
from mlops.datasets.lines import index, texts
from mlops.datasets.overlap.benchmark import read_texts
from mlops.datasets.overlap.overlap import Contamination, Leak

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from mlops.datasets.lines import Lines, Row
    from mlops.datasets.words import Hashes, Places

SHORTEST: Final = 4
"""Words that make a short text somebody's own: "thank you very much" is at the limit."""
MOST_ROWS: Final = 10
"""A run of words in more training rows than this is a phrase, not a leak (Brown et al. 2020, appendix C)."""
SLOTS_PER_RUN: Final = 16
CHUNK: Final = 2**18
"""Runs of words that are entered at a time: what is made on the way stays small."""
NUM_EXAMPLES, EXCERPT = 5, 300


def contaminated(
    train: Path,
    *,
    held_out: Sequence[Path],
    benchmarks: Sequence[Path] = (),
    ngram: int = 13,
    without: Collection[int] = (),
) -> Contamination:
    """Return the training rows that share a run of words with a held-out conversation or a benchmark's text.

    A text with fewer words than a run, but at least four, is compared whole: with whole conversations and messages.
    A run of a held-out conversation that is in more than ten training rows is a phrase and does not count; a run of
    a benchmark always does. Rows `without` which train goes on are not looked at. Raises DataError for a benchmark
    file that cannot be read.
    """
    lines = index(train)
    sources = [
        *(_Source(path.name, _conversation_runs(path, ngram), len(lines), most_rows=MOST_ROWS) for path in held_out),
        *(_Source(path.name, _text_runs(path, ngram), len(lines), most_rows=len(lines)) for path in benchmarks),
    ]
    slots = _Slots([source.runs for source in sources])
    stays = np.ones(len(lines), np.bool_)
    stays[list(without)] = False
    for block in lines.blocks():
        found, rows = _runs(block.rows(), ngram)
        rows += block.first
        known = slots.may_hold(found) & stays[rows]
        for source in sources:
            source.meet(found[known], rows[known])
    leaked = {source.name: source.leaked() for source in sources}
    examples = (_leak(source, line, lines, ngram) for source in sources for line in leaked[source.name][:NUM_EXAMPLES])
    return Contamination(
        frozenset(line for found in leaked.values() for line in found),
        {name: len(found) for name, found in leaked.items()},
        tuple(examples),
    )


class _Source:
    """The sorted hashes of a file's runs of words, and which training rows hold which of them."""

    def __init__(self, name: str, runs: Hashes, num_train: int, *, most_rows: int) -> None:
        self.name, self.runs, self._num_train, self._most_rows = name, runs, num_train, most_rows
        self._num_rows = np.zeros(runs.size, np.int32)
        self._met = [np.zeros(0, np.int64)]

    def find(self, hashes: Hashes) -> tuple[Places, NDArray[np.bool_]]:
        """Return where among our runs the hashes would stand, and which of them do."""
        places = np.searchsorted(self.runs, hashes)
        return places, self.runs[places] == hashes

    def meet(self, found: Hashes, rows: Places) -> None:
        """Note the runs of training rows that are ours, while they are in few rows."""
        places, ours = self.find(found)
        pairs = words.distinct(places[ours] * self._num_train + rows[ours])
        held = pairs // self._num_train
        np.add.at(self._num_rows, held, 1)
        self._met.append(pairs[self._num_rows[held] <= self._most_rows])

    def leaked(self) -> list[int]:
        """Return the training rows that hold a run which is in few of them."""
        pairs = np.concatenate(self._met)
        rare = self._num_rows[pairs // self._num_train] <= self._most_rows
        lines: list[int] = words.distinct(pairs[rare] % self._num_train).tolist()
        return lines


class _Slots:
    """A bit per hash prefix, which says of nearly all runs in no time that no source knows them."""

    def __init__(self, runs: Sequence[Hashes]) -> None:
        size = SLOTS_PER_RUN * max(sum(map(len, runs)), 1)
        self._shift = np.uint64(64 - max(size.bit_length(), 10))
        self._bits = np.zeros(1 << (64 - int(self._shift) - 3), np.uint8)
        for part in chain.from_iterable(np.array_split(hashes, 1 + hashes.size // CHUNK) for hashes in runs):
            byte, bit = self._place(part)
            np.bitwise_or.at(self._bits, byte, bit)

    def may_hold(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Return which hashes some source may know; one in sixteen of the others is taken for known."""
        byte, bit = self._place(hashes)
        return (self._bits[byte] & bit) > 0

    def _place(self, hashes: Hashes) -> tuple[Places, NDArray[np.uint8]]:
        slot = (hashes >> self._shift).astype(np.int64)
        return slot >> 3, np.left_shift(1, slot & 7).astype(np.uint8)


def _conversation_runs(path: Path, ngram: int) -> Hashes:
    """Return the sorted hashes of the runs of words in a file's conversations, each conversation one text."""
    blocks = (["\n".join(texts(row)) for row in block.rows()] for block in index(path).blocks())
    return _sorted(_long_enough(said, ngram) for said in blocks)


def _text_runs(path: Path, ngram: int) -> Hashes:
    return _sorted(_long_enough([text], ngram) for text in read_texts(path))


def _sorted(parts: Iterable[Hashes]) -> Hashes:
    """Return hashes sorted, and after them the largest there is: whatever is looked for stands before an end."""
    hashes = np.concatenate([*parts, np.full(1, 2**64 - 1, np.uint64)])
    hashes.sort()
    return hashes


def _long_enough(said: list[str], ngram: int) -> Hashes:
    own = [text for text in said if len(words.normalize(text).split()) >= SHORTEST]
    return words.split(own).grams(ngram)[0]


def _runs(rows: list[Row], ngram: int) -> tuple[Hashes, Places]:
    """Return the hashes of conversations' runs of words and of their short messages, and the row each is of."""
    said = [texts(row) for row in rows]
    sizes = [len(of_row) for of_row in said]
    by_message = words.split([text for of_row in said for text in of_row])
    runs, bounds = by_message.joined(sizes).grams(ngram)
    starts, ends = by_message.offsets[:-1], by_message.offsets[1:]
    short = np.flatnonzero((ends - starts < ngram) & (ends > starts))
    numbers = np.arange(len(rows))
    return (
        np.concatenate([runs, by_message.runs(starts[short], ends[short])]),
        np.concatenate([np.repeat(numbers, np.diff(bounds)), np.repeat(numbers, sizes)[short]]),
    )


def _leak(source: _Source, line: int, lines: Lines, ngram: int) -> Leak:
    said = texts(lines[line])
    shared = next(_shared(source, [" ".join(said), *said], ngram))
    return Leak(source.name, shared[:EXCERPT], said[0][:EXCERPT])


def _shared(source: _Source, said: Iterable[str], ngram: int) -> Iterator[str]:
    """Yield the first run of words of each text that is the source's, as far as it goes on."""
    for text in said:
        found = np.flatnonzero(source.find(words.split([text]).grams(ngram)[0])[1])
        if found.size:
            goes_on = int(np.argmax(np.diff(found, append=found[-1] + 2) > 1))
            spelled = words.normalize(text).decode().split()
            yield " ".join(spelled[found[0] : found[goes_on] + ngram])
