"""Processes that read data for the main one: each is sent a call, answers it, and gets the next.

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
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import starmap
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Process = subprocess.Popen[bytes]

T = TypeVar("T")

FRUGAL: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # mimalloc, the default, keeps 10 MB more
    "OPENBLAS_NUM_THREADS": "1",  # comes with NumPy, and would start a thread per core
}


def num_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def started(count: int) -> Iterator[Crew]:
    """Start processes; they are ended with the block. Of one alone nothing is won: this process does its work."""
    environment = os.environ | FRUGAL
    command = [sys.executable, "-m", "mlops.datasets.workers"]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) for _ in range(count if count > 1 else 0)
    ]
    try:
        yield Crew(processes)
    finally:
        for process in processes:
            process.kill()  # it has nothing left to do, or what it does is no longer wanted
            process.communicate()


@dataclass(frozen=True)
class Crew:
    """Processes that call functions; without any, this one calls them."""

    processes: Sequence[Process]

    def map(self, function: Callable[..., T], calls: Iterable[tuple[Any, ...]]) -> Iterator[T]:
        """Call a module's function with each of the arguments; yield what it answers, in their order.

        Raises what a call raised, the first there is, once all processes have finished the call they are at.
        """
        if not self.processes:
            yield from starmap(function, calls)
            return
        idle: SimpleQueue[Process] = SimpleQueue()
        for process in self.processes:
            idle.put(process)

        def answer(arguments: tuple[Any, ...]) -> T:
            process = idle.get()
            try:
                return _asked(process, function, arguments)
            finally:
                idle.put(process)

        with ThreadPoolExecutor(len(self.processes)) as threads:
            yield from threads.map(answer, calls)


def _asked(process: Process, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    """Return what a process answers; raises what the function raised, and DataError if the process has died."""
    requests, answers = _pipes(process)
    try:
        pickle.dump((function, arguments), requests)
        requests.flush()
        answer: T | Exception = pickle.load(answers)  # noqa: S301 - from a process of our own
    except (BrokenPipeError, EOFError):
        raise DataError(
            f"a process that reads data ended with exit code {process.wait()}; if memory ran out, set data.workers to 1"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _pipes(process: Process) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise AssertionError("the process was started without pipes")
    return process.stdin, process.stdout


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    _import_pyarrow()  # now, while the main process looks for the files

    import mlops.datasets.spool  # noqa: F401 - it will be asked for

    with suppress(EOFError, BrokenPipeError):
        while True:
            function, arguments = pickle.load(requests)  # noqa: S301 - from the process that started this one
            try:
                answer = function(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where it is seen
                error.add_note(traceback.format_exc())
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
