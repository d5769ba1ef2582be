"""That a rollout loses nothing, sees what is bad, and comes back by itself: `python rollout.py [PART …]`.

simulated: 200 rollouts of a candidate as good as the stable one, 200 with a regression, by the real runner and judge.
load: users ask without pause, every fourth for a stream, while a controller promotes, rolls back, retires, and is
killed with SIGKILL at every line of its journal.
real: candidates with each kind of regression, ten times each.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from typing import Final

import controlled
import loaded
import regressions
import simulated
from rich.console import Console
from rich.table import Table
from row import Row

PARTS: Final[dict[str, Callable[[], Iterator[Row]]]] = {
    "simulated": simulated.rows,
    "load": lambda: on_emulator(loaded.rows),
    "real": lambda: on_emulator(regressions.rows),
}


MOST_S: Final = 25 * 60


def main() -> int:
    """Print the table of the parts that are named, or of all; return 1 if a floor is missed, or all takes too long."""
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"it took more than {MOST_S} s"))
    signal.alarm(MOST_S)
    table, is_held = Table(title="Rollout"), True
    for column in ("measure", "ours", "peer", "floor", "verdict"):
        table.add_column(column)
    parts = sys.argv[1:] or [*PARTS]
    if unknown := {*parts} - {*PARTS}:
        sys.exit(f"no part of this: {', '.join(unknown)}; choose of {', '.join(PARTS)}")
    for part in parts:
        for row in PARTS[part]():
            table.add_row(row.measure, row.ours, "none publishes it", row.floor, "held" if row.held else "MISSED")
            is_held &= row.held
    Console(width=150).print(table)
    return 0 if is_held else 1


def on_emulator(measure: Callable[[controlled.Site], Iterator[Row]]) -> Iterator[Row]:
    """Yield what is measured on an endpoint of its own."""
    with controlled.site() as site:
        yield from measure(site)


if __name__ == "__main__":
    sys.exit(main())
