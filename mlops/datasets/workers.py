"""Processes that spool shards beside the main one: each is sent a shard, answers what became of it, and gets the next.

Started with `python -m mlops.datasets.workers`. A process of our own rather than a pool of `multiprocessing`, because
it imports neither the main program nor what that has imported, ends when the main process is killed, and costs no
third process that watches.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any, Final

from mlops.errors import DataError, MlopsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mlops.datasets.sources.shard import Shard
    from mlops.datasets.spool import Spooled, Work

    Process = subprocess.Popen[bytes]
    Tasks = SimpleQueue[tuple[Shard, int, Work]]


FRUGAL: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # mimalloc, the default, keeps 10 MB more
    "OPENBLAS_NUM_THREADS": "1",  # comes with NumPy, and would start a thread per core
}


def num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def started(count: int) -> Iterator[list[Process]]:
    """Start processes; they are ended with the block."""
    environment = os.environ | FRUGAL
    command = [sys.executable, "-m", "mlops.datasets.workers"]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()  # it has nothing left to do, or what it does is no longer wanted
            process.communicate()


def spool_all(
    shards: Sequence[Shard], work: Work, processes: Sequence[Process], *, on_shard: Callable[[Spooled], None]
) -> list[Spooled]:
    """Spool all shards, in these processes and in this one; return what became of them, in their order.

    Raises DataError, the first there is, once all processes have finished the shard they are at.
    """
    from mlops.datasets.spool import spool

    tasks: Tasks = SimpleQueue()
    for number, shard in enumerate(shards):
        tasks.put((shard, number, work))
    found: dict[int, Spooled] = {}

    def take_part(spool: Callable[[Shard, int, Work], Spooled]) -> None:
        try:
            for shard, number, _ in _drained(tasks):
                found[number] = spool(shard, number, work)
                on_shard(found[number])
        finally:
            for _ in _drained(tasks):  # after an error the rest need not be begun
                pass

    with ThreadPoolExecutor(max(1, len(processes))) as threads:
        others = [
            threads.submit(take_part, lambda *task, process=process: _asked(process, task)) for process in processes
        ]
        take_part(spool)
    for other in others:
        other.result()
    return [found[number] for number in range(len(shards))]


def _drained(tasks: Tasks) -> Iterator[tuple[Shard, int, Work]]:
    with suppress(Empty):
        while True:
            yield tasks.get_nowait()


def _asked(process: Process, task: tuple[Shard, int, Work]) -> Spooled:
    """Return what a process answers; raises DataError if that is one, or if the process has died."""
    requests, answers = _pipes(process)
    try:
        pickle.dump(task, requests)
        requests.flush()
        answer = pickle.load(answers)  # noqa: S301 - from a process of our own
    except (BrokenPipeError, EOFError):
        raise DataError(
            f"a process that reads data ended with exit code {process.wait()}; if memory ran out, set data.workers to 1"
        ) from None
    if isinstance(answer, MlopsError):
        raise answer
    return answer  # type: ignore[no-any-return]  # `_serve` sends nothing else


def _pipes(process: Process) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the process was started without pipes")
    return process.stdin, process.stdout


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    _import_pyarrow()  # now, while the main process looks for the files

    from mlops.datasets.spool import spool

    with suppress(EOFError, BrokenPipeError):
        while True:
            shard, number, work = pickle.load(requests)  # noqa: S301 - from the process that started this one
            answer: Any
            try:
                answer = spool(shard, number, work)
            except MlopsError as error:
                answer = error
            pickle.dump(answer, answers)
            answers.flush()


def _import_pyarrow() -> None:
    """Import pyarrow without NumPy, which it uses if it is there: 0.1 s and 10 MB that reading does not need."""
    sys.modules["numpy"] = None  # type: ignore[assignment]  # so says the import system that there is no such module
    import pyarrow.parquet  # noqa: F401 - it is kept

    del sys.modules["numpy"]


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the main process, which ends this one
    _serve(sys.stdin.buffer, sys.stdout.buffer)
