"""prepare beside the seed's way, whole process against whole process: `python tests/benchmarks/prepare.py`.

100,000 generated conversations with the schema and sizes of ultrachat_200k. The seed's way is `download-dataset.py` of
Azure/azureml-examples: `datasets.load_dataset`, the head of the split, `to_json`; it validates nothing. Ours samples,
validates, drops exact duplicates, cuts splits and hashes. Memory is the resident set of all processes together, read
every 10 ms in runs that are not timed; pages that processes share count in each.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.benchmarks.ultrachat import write_parquet

ROWS, TIMES_MORE, FILES = 100_000, 4, 3
ROUNDS = 3
MIN_RATIO, MAX_MB, MAX_GROWTH = 3.0, 250, 0.10
PERIOD_S = 0.01

SEED = """
import sys
from datasets import load_dataset
percentage, out, *files = sys.argv[1:]
split = load_dataset("parquet", data_files=files, split=f"train[0%:{percentage}%]", cache_dir=f"{out}/cache")
split.to_json(f"{out}/train.jsonl")
"""
OURS = """
import sys
from pathlib import Path
from mlops.datasets.prepare import prepare_splits
from mlops.datasets.settings import DataSettings
percentage, out, *files = sys.argv[1:]
settings = DataSettings(
    source=str(Path(files[0]).parent), percentage=percentage, seed=0, validation_percentage=5, test_percentage=10,
    max_quarantine_percentage=1,
)
prepare_splits(settings, Path(out) / "data", cache=Path(out) / "cache", show=lambda _: None)
"""


@dataclass(frozen=True)
class Peak:
    """The most memory of a process's tree, and of one process in it."""

    tree_mb: float
    process_mb: float


@contextmanager
def running(program: str, percentage: int, files: list[Path]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program into a fresh folder, to its end."""
    with tempfile.TemporaryDirectory(dir=files[0].parent.parent) as out:
        command = [sys.executable, "-c", program, str(percentage), out, *map(str, files)]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_environment()
        ) as process:
            yield process
            _, said = process.communicate()
        if process.returncode:
            sys.exit(said.decode())


def seconds(program: str, percentage: int, files: list[Path]) -> float:
    """Return the wall-clock time of a whole process, which nothing watches."""
    start = time.perf_counter()
    with running(program, percentage, files) as process:
        process.wait()
        return time.perf_counter() - start


def peak(program: str, percentage: int, files: list[Path]) -> Peak:
    """Return how much memory a program takes."""
    tree, single = 0, 0
    with running(program, percentage, files) as process:
        while process.poll() is None:
            resident = _resident(process.pid)
            tree, single = max(tree, sum(resident)), max([single, *resident])
            time.sleep(PERIOD_S)  # between two looks
    return Peak(tree / 1e6, single / 1e6)


def _environment() -> dict[str, str]:
    """Return an environment in which both sides keep compiled bytecode and report no progress."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}


def _resident(pid: int) -> list[int]:
    found = []
    try:
        process = psutil.Process(pid)
        found = [one.memory_info().rss for one in (process, *process.children(recursive=True))]
    except psutil.NoSuchProcess:
        pass  # it ended meanwhile
    return found


def compared(percentage: int, files: list[Path]) -> bool:
    """Print both ways at one percentage, in turns; return whether the floors are kept."""
    pairs = [(seconds(OURS, percentage, files), seconds(SEED, percentage, files)) for _ in range(ROUNDS)]
    ours_s, seed_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    ours, seed = peak(OURS, percentage, files), peak(SEED, percentage, files)
    ratio = seed_s / ours_s
    fast, small = ratio >= MIN_RATIO, ours.tree_mb <= MAX_MB
    line(f"{percentage} %: seconds", f"{ours_s:.2f}", f"{seed_s:.2f}", f"{ratio:.1f} x, >= {MIN_RATIO:g}", fast)
    line(f"{percentage} %: peak MB, tree", f"{ours.tree_mb:.0f}", f"{seed.tree_mb:.0f}", f"<= {MAX_MB}", small)
    line(f"{percentage} %: peak MB, one process", f"{ours.process_mb:.0f}", f"{seed.process_mb:.0f}", "", None)
    return fast and small


def constant(small: list[Path], large: list[Path]) -> bool:
    """Print how the peak grows with the rows; return whether it hardly does."""
    few, many = peak(OURS, 100, small), peak(OURS, 100, large)
    growth = many.tree_mb / few.tree_mb - 1
    kept = growth < MAX_GROWTH
    told = f"{growth:+.0%}, < {MAX_GROWTH:.0%}"
    line(f"peak MB, {ROWS * TIMES_MORE:,} rows", f"{many.tree_mb:.0f}", f"{few.tree_mb:.0f} before", told, kept)
    return kept


def line(measure: str, ours: str, peer: str, floor: str, kept: bool | None) -> None:
    """Print a row of the table."""
    verdict = {None: "", True: "ok", False: "MISSED"}[kept]
    print(f"{measure:28} {ours:>10} {peer:>12} {floor:>16} {verdict:>7}", flush=True)


def main() -> None:
    """Print a table; exit with 1 if a floor is missed."""
    with tempfile.TemporaryDirectory() as folder:
        large = write_parquet(Path(folder, "large"), count=ROWS * TIMES_MORE, files=FILES * TIMES_MORE)
        small = [Path(folder, "small", path.name) for path in large[:FILES]]
        small[0].parent.mkdir()
        for linked, path in zip(small, large, strict=False):
            linked.hardlink_to(path)
        for program in (OURS, SEED):
            seconds(program, 5, small)  # compiles, and brings the files into memory
        print(f"{ROWS:,} rows, {psutil.cpu_count()} cores, median of {ROUNDS}\n")
        line("measure", "ours", "seed's way", "floor", None)
        verdicts = [*(compared(percentage, small) for percentage in (5, 100)), constant(small, large)]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
