"""The report of a rollout: what each step found, and a picture of weights, error rate and latency over time."""

from __future__ import annotations

import io
import math
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from mlops.reports import tables
from mlops.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from matplotlib.axes import Axes
    from rich.console import Console

    from mlops.records import Moment, Rollout

PICTURE: Final = "rollout.svg"
SIZE_INCHES: Final = (8.0, 5.6)
WIDTH: Final = 100
"""Characters of a title's line."""
LONG_S: Final = 600
"""From here on a picture counts in minutes."""
NAMED: Final = ("PAUSED", "POST_BAKE", "COMMITTED", "ROLLING_BACK", "BLOCKED")
CANDIDATE, STABLE = "#1a7f37", "#0969da"


def show(console: Console, record: Rollout, folder: Path) -> None:
    """Print the steps, add them to the step summary, and leave the picture beside the record."""
    tables.show(console, tables.steps(record))
    if record.timeline:
        title = f"{record.deployment.endpoint}: {record.phase}" + (f"\n{record.reason}" if record.reason else "")
        write_whole(folder / PICTURE, timeline(record.timeline, title=title).encode())


def timeline(moments: Sequence[Moment], *, title: str) -> str:
    """Return an SVG of three panels over time: the candidate's weight, both error rates, both latencies."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    start, end = moments[0].at, moments[-1].at
    unit, unit_s = ("minutes", 60) if end - start > LONG_S else ("seconds", 1)
    times = [(moment.at - start) / unit_s for moment in moments]
    figure = Figure(SIZE_INCHES, layout="constrained")
    weight, errors, latency = figure.subplots(3, sharex=True)
    figure.suptitle(fill(title, WIDTH, replace_whitespace=False), fontsize=10)
    weight.step(times, [moment.weight for moment in moments], where="post", color=CANDIDATE)
    weight.set_ylim(-5, 105)
    weight.set_ylabel("candidate, %")
    bad = [_percent(moment.num_failed, moment.num_requests) for moment in moments]
    stable_bad = [_percent(moment.stable_failed, moment.stable_requests) for moment in moments]
    errors.plot(times, bad, color=CANDIDATE, label="candidate")
    errors.plot(times, stable_bad, color=STABLE, label="stable")
    errors.set_ylim(0, 1.1 * max([1.0, *(rate for rate in bad + stable_bad if rate > 0)]))
    errors.legend(frameon=False)
    errors.set_ylabel("errors, %")
    mine = _gaps(moment.latency_s for moment in moments)
    others = _gaps(moment.stable_latency_s for moment in moments)
    latency.plot(times, mine, color=CANDIDATE, label="candidate")
    latency.plot(times, others, color=STABLE, label="stable")
    latency.set_ylim(0, 1.1 * max([0.01, *(seconds for seconds in mine + others if seconds > 0)]))
    latency.set_ylabel("median, s")
    latency.set_xlabel(f"{unit} since the start")
    latency.legend(frameon=False)
    _mark_phases(weight, moments, times)
    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "rollout"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue()


def _percent(num_failed: int, num_requests: int) -> float:
    return 100 * num_failed / num_requests if num_requests else math.nan


def _gaps(values: Iterable[float | None]) -> list[float]:
    """Return values as matplotlib draws them: with a gap where there is none."""
    return [math.nan if value is None else value for value in values]


def _mark_phases(axes: Axes, moments: Sequence[Moment], times: Sequence[float]) -> None:
    """Name what a reader looks for, where it begins."""
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    for before, moment, at in zip(moments, moments[1:], times[1:], strict=False):
        if moment.phase != before.phase and moment.phase in NAMED:
            axes.axvline(at, color="#8c959f", linewidth=0.8, linestyle=":")
            name = moment.phase.lower().replace("_", " ")
            axes.annotate(name, (at, 50), rotation=90, fontsize=7, va="center", ha="right", bbox=paper)


def line(said: Mapping[str, Any]) -> str:
    """Return in one line where a runner is, empty before it has said so."""
    if "phase" not in said:
        return ""
    weights = ", ".join(f"{name} {weight} %" for name, weight in said["traffic"].items()) or "no traffic"
    told = (
        f"{said['phase']}: {weights}; {said['num_requests']} requests (stable {said['stable_requests']}), "
        f"{said['num_failed']} failed (stable {said['stable_failed']})"
    )
    if said["latency_s"] is not None:
        told += f", median {said['latency_s']:.2f} s"
    if said["stable_latency_s"] is not None:
        told += f" (stable {said['stable_latency_s']:.2f} s)"
    return told


def view(said: Mapping[str, Any], *, endpoint: str, now: float) -> Table:
    """Return what a person watches: phase, weights, requests, errors, latency per color, time left."""
    table = Table(title=f"Rollout of {endpoint}", title_justify="left", show_header=False)
    if "phase" not in said:
        table.add_row("no runner has said anything yet")
        return table
    table.add_row("phase", str(said["phase"]))
    for name, weight in said["traffic"].items():
        table.add_row(name, "█" * (weight // 2) + f" {weight} %")
    table.add_row("requests", f"{said['num_requests']}, stable {said['stable_requests']}")
    table.add_row("errors", f"{said['num_failed']}, stable {said['stable_failed']}")
    table.add_row("latency", f"{_seconds(said['latency_s'])}, stable {_seconds(said['stable_latency_s'])}")
    table.add_row("time left", f"{max(0.0, said['deadline'] - now):.0f} s")
    return table


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} s"
