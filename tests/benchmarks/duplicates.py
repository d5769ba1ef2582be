"""What duplicates and contamination cost: `python tests/benchmarks/duplicates.py`, beside datasketch.

100,000 generated training conversations of ultrachat's size, 1,000 of them with 3 % of their words replaced, and 10,000
test conversations, 100 of which are in train as they are and 100 with 3 % of their words replaced. Words are drawn by
Zipf's law, one by one: sentences that repeat (as in `ultrachat.py`) would be overlap by construction. Each measurement
is a process of its own; datasketch gets 5,000 conversations, and so do we, once more, to be compared.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import orjson
from rich.console import Console
from rich.table import Table

from mlops.datasets.overlap.contamination import contaminated
from mlops.datasets.overlap.duplicates import near_duplicates

TRAIN, PLANTED, TEST, LEAKED = 99_000, 1000, 10_000, 100
SMALL, SMALL_PLANTED = 4950, 50
THRESHOLD, REPLACED = 0.7, 0.03
VOCABULARY = 30_000
LEAST_RECALL, LEAST_RATIO = 0.99, 4.0

Texts = list[list[str]]


@dataclass(frozen=True)
class Measured:
    """Seconds, peak memory in MB, and which lines were found."""

    seconds: float
    peak_mb: float
    lines: frozenset[int]

    def recall(self, planted: range) -> float:
        """Return the share of the planted lines that were found."""
        return len(self.lines & set(planted)) / len(planted)

    def precision(self, planted: range) -> float:
        """Return the share of what was found that was planted."""
        return len(self.lines & set(planted)) / max(len(self.lines), 1)


def main() -> None:
    """Measure, print the table, and exit with 1 if a floor is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(generate, folder).result()  # what a child may have used before it began counts as its peak
        found = {
            "large": measured(ours, folder / "train.jsonl", 1),
            "parallel": measured(ours, folder / "train.jsonl", 2),
            "leaked": measured(containment, folder / "leaky.jsonl", folder / "test.jsonl"),
            "small": measured(ours, folder / "small.jsonl", 1),
            "peer": measured(datasketch, folder / "small.jsonl"),
        }
    table, met = report(found)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    sys.exit(0 if met else 1)


def generate(folder: Path) -> None:
    """Write train.jsonl, small.jsonl, test.jsonl and leaky.jsonl (train with leaked test rows at its end)."""
    made = conversations(seed=0)
    dice = np.random.default_rng(1)
    train, test = list(islice(made, TRAIN)), list(islice(made, TEST))
    twins = [altered(texts, dice) for texts in train[:PLANTED]]
    leaks = test[:LEAKED] + [altered(texts, dice) for texts in test[LEAKED : 2 * LEAKED]]
    for name, rows in (
        ("train", train + twins),
        ("small", train[:SMALL] + twins[:SMALL_PLANTED]),
        ("test", test),
        ("leaky", train + leaks),
    ):
        with (folder / f"{name}.jsonl").open("wb") as file:
            file.writelines(map(line, rows))


def conversations(*, seed: int) -> Iterator[list[str]]:
    """Yield the texts of conversations: 6.75 messages, 5.8 KB on average."""
    dice = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(dice.choice(letters, size)) for size in dice.integers(2, 10, VOCABULARY)], dtype=object)
    shares = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    while True:
        sizes = [80, 170] * int(dice.integers(1, 6))
        drawn = words[np.searchsorted(shares, dice.random(sum(sizes)) * shares[-1])]
        yield [" ".join(part) for part in np.split(drawn, np.cumsum(sizes)[:-1])]


def altered(texts: list[str], dice: np.random.Generator) -> list[str]:
    """Return a conversation with 3 % of its words replaced."""
    return [
        " ".join("replaced" + word if dice.random() < REPLACED else word for word in text.split()) for text in texts
    ]


def line(texts: list[str]) -> bytes:
    """Return a row in ultrachat's schema."""
    messages = [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(texts)]
    return orjson.dumps({"prompt": texts[0], "prompt_id": "", "messages": messages}, option=orjson.OPT_APPEND_NEWLINE)


def measured(work: Callable[..., frozenset[int]], *arguments: object) -> Measured:
    """Do the work in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_timed, work, arguments).result()


def _timed(work: Callable[..., frozenset[int]], arguments: tuple[object, ...]) -> Measured:
    start = time.perf_counter()
    lines = work(*arguments)
    seconds = time.perf_counter() - start
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return Measured(seconds, sum(resource.getrusage(one).ru_maxrss for one in who) / 1000, lines)


def ours(path: Path, workers: int) -> frozenset[int]:
    """Find near duplicates."""
    return near_duplicates(path, threshold=THRESHOLD, workers=workers).lines


def containment(train: Path, test: Path) -> frozenset[int]:
    """Find training rows with 13 words in a row of the test rows."""
    return contaminated(train, held_out=[test]).lines


def datasketch(path: Path) -> frozenset[int]:
    """Find near duplicates the way of datasketch's own documentation."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    found = set()
    for number, row in enumerate(map(orjson.loads, path.open("rb"))):
        words = " ".join(message["content"] for message in row["messages"]).lower().split()
        sketch = MinHash(num_perm=128)
        sketch.update_batch({" ".join(gram).encode() for gram in zip(words, words[1:], words[2:], strict=False)})
        if index.query(sketch):
            found.add(number)
        else:
            index.insert(number, sketch)
    return frozenset(found)


def report(found: dict[str, Measured]) -> tuple[Table, bool]:
    """Return the table, and whether all floors are met."""
    twins = range(TRAIN, TRAIN + PLANTED)
    leaks = range(TRAIN, TRAIN + 2 * LEAKED)
    few = range(SMALL, SMALL + SMALL_PLANTED)
    large, parallel, leaked, small, peer = (found[name] for name in ("large", "parallel", "leaked", "small", "peer"))
    ratio = peer.seconds / small.seconds
    rows = [
        ("near duplicates, 100,000: seconds", f"{large.seconds:.1f}", "", "", None),
        ("… in two processes", f"{parallel.seconds:.1f}", "", "", None),
        ("… peak MB (two processes)", f"{large.peak_mb:.0f} ({parallel.peak_mb:.0f})", "", "", None),
        at_least("… recall", large.recall(twins), LEAST_RECALL),
        at_least("… precision", large.precision(twins), 1),
        ("contamination, 99,200 by 10,000: seconds", f"{leaked.seconds:.1f}", "", "", None),
        ("… peak MB", f"{leaked.peak_mb:.0f}", "", "", None),
        at_least("… recall", leaked.recall(leaks), LEAST_RECALL),
        at_least("… precision", leaked.precision(leaks), 1),
        (
            "near duplicates, 5,000: seconds",
            f"{small.seconds:.2f}",
            f"{peer.seconds:.2f}",
            f"{ratio:.1f} of {LEAST_RATIO:g}",
            ratio >= LEAST_RATIO,
        ),
        ("… peak MB", f"{small.peak_mb:.0f}", f"{peer.peak_mb:.0f}", "", None),
        ("… recall", f"{small.recall(few):.3f}", f"{peer.recall(few):.3f}", "", None),
        ("… precision", f"{small.precision(few):.3f}", f"{peer.precision(few):.3f}", "", None),
    ]
    table = Table("measure", "ours", "datasketch", "ratio or floor", "verdict")
    for *cells, met in rows:
        table.add_row(*cells, "" if met is None else "met" if met else "missed")
    return table, all(met is not False for *_, met in rows)


def at_least(name: str, value: float, floor: float) -> tuple[str, str, str, str, bool]:
    """Return a row with a floor."""
    return name, f"{value:.3f}", "", f"{floor:g}", value >= floor


if __name__ == "__main__":
    main()
