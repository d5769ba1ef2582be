"""Processes that read data for the main one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from mlops.datasets.columns import Columns
from mlops.datasets.sample import ALL, Sample
from mlops.datasets.sources.shard import Shard
from mlops.datasets.split import Cuts
from mlops.datasets.spool import Spooled, Work, spool_shard
from mlops.datasets.workers import Crew, started
from mlops.errors import DataError
from tests.benchmarks.ultrachat import write_parquet

if TYPE_CHECKING:
    from pathlib import Path


def work(folder: Path) -> Work:
    """Return work that takes every row."""
    columns = Columns(messages="messages", prompt="prompt")
    return Work(folder, columns, Sample(0, ALL, None), Cuts(5, 10), None, mask=False, shuffle_seed=None)


def spooled(crew: Crew, parts: list[Shard], folder: Path) -> list[Spooled]:
    """Spool shards."""
    return list(crew.map(spool_shard, [(shard, number, work(folder)) for number, shard in enumerate(parts)]))


def shards(folder: Path) -> list[Shard]:
    """Return six shards of a file."""
    [path] = write_parquet(folder, count=300, files=1, row_group=50)
    return [Shard(path.name, path, None, "parquet", start=n, stop=n + 1, first_row=50 * n + 1) for n in range(6)]


def test_all_processes_together_do_what_one_does(tmp_path: Path) -> None:
    """Every shard is spooled once, by this process or by others, and answered in its place."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "together").mkdir()
    parts = shards(tmp_path)
    with started(1) as crew:
        assert not crew.processes
        alone = spooled(crew, parts, tmp_path / "alone")
    with started(2) as crew:
        together = spooled(crew, parts, tmp_path / "together")
    assert together == alone
    assert len(together) == 6
    assert [process.returncode is not None for process in crew.processes] == [True, True]


def test_a_mistake_found_by_another_process_is_raised_here(tmp_path: Path) -> None:
    """The message is the one the reader wrote."""
    missing = [Shard("gone.parquet", tmp_path / "gone.parquet", None, "parquet")] * 4
    with started(2) as crew, pytest.raises(DataError, match=r"gone\.parquet: No such file"):
        spooled(crew, missing, tmp_path)


def test_what_another_process_did_not_expect_is_raised_here_with_its_traceback() -> None:
    """A mistake of ours is not taken for memory that ran out."""
    with started(2) as crew, pytest.raises(TypeError) as raised:
        list(crew.map(len, [(1,)]))
    assert "function(*arguments)" in "".join(raised.value.__notes__)


def test_a_process_that_was_killed_is_told_of(tmp_path: Path) -> None:
    """Memory that ran out looks like this: the message says what to change."""
    with started(2) as crew:
        crew.processes[0].kill()
        crew.processes[0].wait()
        with pytest.raises(DataError, match=r"exit code -9; if memory ran out, set data\.workers to 1"):
            spooled(crew, shards(tmp_path), tmp_path)


def test_no_process_outlives_the_main_one() -> None:
    """Killed hard, the main process cannot end its helpers: they end by themselves."""
    program = (
        "from mlops.datasets.workers import started\n"
        "with started(2) as crew:\n"
        "    print(*[process.pid for process in crew.processes], flush=True)\n"
        "    input()\n"
    )
    main = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert main.stdout is not None
    helpers = [psutil.Process(int(pid)) for pid in main.stdout.readline().split()]
    os.kill(main.pid, signal.SIGKILL)
    main.wait()
    _, alive = psutil.wait_procs(helpers, timeout=30)
    assert not alive
