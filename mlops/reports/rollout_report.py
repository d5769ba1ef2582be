"""The report of a rollout: what each step found, and a picture of weights, error rate and latency over time."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from mlops.reports import plots, tables
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
COLORS: Final = {"blue": plots.BLUE, "green": plots.GREEN}


def show(console: Console, record: Rollout, folder: Path) -> None:
    """Print the steps, add them to the step summary, and leave the picture beside the record."""
    tables.show(console, tables.steps(record))
    if record.timeline:
        write_whole(folder / PICTURE, timeline(record).encode())


def timeline(record: Rollout) -> str:
    """Return an SVG of three panels over time: the candidate's weight, both error rates, both latencies."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    moments, deployment = record.timeline, record.deployment
    start, end = moments[0].at, moments[-1].at
    unit, unit_s = ("minutes", 60) if end - start > LONG_S else ("seconds", 1)
    times = [(moment.at - start) / unit_s for moment in moments]
    title = f"{deployment.endpoint}: {phase(record.phase)}" + (f"\n{record.reason}" if record.reason else "")
    bad = [_percent(moment.num_failed, moment.num_requests) for moment in moments]
    stable_bad = [_percent(moment.stable_failed, moment.stable_requests) for moment in moments]
    mine = _gaps(moment.latency_s for moment in moments)
    others = _gaps(moment.stable_latency_s for moment in moments)
    with mpl.rc_context(plots.SETTINGS):  # type: ignore[arg-type]  # its names are literals
        figure = Figure(SIZE_INCHES, layout="constrained")
        weight, errors, latency = figure.subplots(3, sharex=True)
        figure.suptitle(fill(title, WIDTH, replace_whitespace=False), fontsize=10)
        weight.step(times, [moment.weight for moment in moments], where="post", color=_color(deployment.name))
        if deployment.stable:
            errors.plot(times, stable_bad, color=_color(deployment.stable))
            latency.plot(times, others, color=_color(deployment.stable), label=f"{deployment.stable}, stable")
        errors.plot(times, bad, color=_color(deployment.name))
        latency.plot(times, mine, color=_color(deployment.name), label=f"{deployment.name}, candidate")
        weight.set_ylim(-5, 105)
        _from_zero(errors, [1.0, *bad, *stable_bad])
        _from_zero(latency, [0.01, *mine, *others])
        weight.set_ylabel(f"{deployment.name}, %")
        errors.set_ylabel("errors, %")
        latency.set_ylabel("median, s")
        latency.set_xlabel(f"{unit} since the start")
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        _mark_phases(weight, moments, times)
        return plots.standalone(plots.drawn(figure))


def phase(name: str) -> str:
    """Return a phase in words.

    >>> phase("ROLLED_BACK")
    'rolled back'
    """
    return name.lower().replace("_", " ")


def _color(deployment: str) -> str:
    return COLORS.get(deployment, plots.OTHER)


def _from_zero(axes: Axes, values: Sequence[float]) -> None:
    """Show what may be 0 a little above the axis, where it is seen."""
    top = max(value for value in values if not math.isnan(value))
    axes.set_ylim(-0.05 * top, 1.1 * top)


def _percent(num_failed: int, num_requests: int) -> float:
    return 100 * num_failed / num_requests if num_requests else math.nan


def _gaps(values: Iterable[float | None]) -> list[float]:
    """Return values as matplotlib draws them: with a gap where there is none."""
    return [math.nan if value is None else value for value in values]


def _mark_phases(axes: Axes, moments: Sequence[Moment], times: Sequence[float]) -> None:
    """Name what a reader looks for, where it begins."""
    paper = {"facecolor": plots.PAPER, "edgecolor": "none", "pad": 1}
    for before, moment, at in zip(moments, moments[1:], times[1:], strict=False):
        if moment.phase != before.phase and moment.phase in NAMED:
            axes.axvline(at, color=plots.TEXT, alpha=0.6, linewidth=0.8, linestyle=":")
            axes.annotate(phase(moment.phase), (at, 50), rotation=90, fontsize=7, va="center", ha="right", bbox=paper)


def line(said: Mapping[str, Any]) -> str:
    """Return in one line where a runner is, empty before it has said so."""
    if "phase" not in said:
        return ""
    weights = ", ".join(f"{name} {weight} %" for name, weight in said["traffic"].items()) or "no traffic"
    told = (
        f"{phase(said['phase'])}: {weights}; {said['num_requests']} requests{_beside(said, 'stable_requests')}, "
        f"{said['num_failed']} failed{_beside(said, 'stable_failed')}"
    )
    if said["latency_s"] is not None:
        told += f", median {said['latency_s']:.2f} s"
    if said["stable_latency_s"] is not None:
        told += f" (stable {said['stable_latency_s']:.2f} s)"
    return told


def _beside(said: Mapping[str, Any], name: str) -> str:
    """Return what was counted of the stable deployment, nothing before it was asked, or without one."""
    return f" (stable {said[name]})" if said["stable_requests"] else ""


def view(said: Mapping[str, Any], *, endpoint: str, now: float) -> Table:
    """Return what a person watches: phase, weights, requests, errors, latency per color, time left."""
    table = Table(title=f"Rollout of {endpoint}", title_justify="left", show_header=False)
    if "phase" not in said:
        table.add_row("no runner has said anything yet")
        return table
    table.add_row("phase", phase(said["phase"]))
    for name, weight in said["traffic"].items():
        table.add_row(name, "█" * (weight // 2) + f" {weight} %")
    table.add_row("requests", f"{said['num_requests']}, stable {said['stable_requests']}")
    table.add_row("errors", f"{said['num_failed']}, stable {said['stable_failed']}")
    table.add_row("latency", f"{_seconds(said['latency_s'])}, stable {_seconds(said['stable_latency_s'])}")
    table.add_row("time left", f"{max(0.0, said['deadline'] - now):.0f} s")
    return table


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f} s"
