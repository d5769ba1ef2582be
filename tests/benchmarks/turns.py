"""Trainers that take their steps in turn, so that a busy machine is as busy for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback


class Turns:
    """Whose turn it is among so many."""

    def __init__(self, number: int) -> None:
        self._number, self._next, self._changed = number, 0, threading.Condition()

    @contextmanager
    def mine(self, place: int) -> Iterator[None]:
        """Wait until the turn comes to a place; pass it on afterwards."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == place)
            yield
            self._next = (place + 1) % self._number
            self._changed.notify_all()


class Clock(TrainerCallback):
    """Time the steps of one trainer, which are taken in turn."""

    def __init__(self, turns: Turns, place: int) -> None:
        self._turns, self._place, self.seconds = turns, place, list[float]()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Wait, then start the clock."""
        self._turn = self._turns.mine(self._place)
        self._turn.__enter__()
        self._began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop the clock and let the next one go."""
        self.seconds.append(time.perf_counter() - self._began)
        self._turn.__exit__(None, None, None)
