"""Histograms and intervals as SVG that goes into a page: no background, colors of the page."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from mlops.datasets.lengths import Lengths

    Losses = Mapping[str, Sequence[tuple[int, float]]]

SIZE_INCHES: Final = (5.6, 2.3)
MOST_BARS: Final = 30
TEXT, BARS, BLUE, GREEN, OTHER, PAPER = "#010203", "#040506", "#070809", "#0a0b0c", "#0d0e0f", "#101112"
"""Stand for the page's own colors until the picture is drawn."""
COLORS: Final = {
    TEXT: "currentColor",
    BARS: "var(--accent)",
    BLUE: "var(--blue)",
    GREEN: "var(--green)",
    OTHER: "var(--other)",
    PAPER: "var(--paper)",
}
SHEET: Final = Path(__file__).parent / "static" / "release.css"
SETTINGS: Final = {
    "svg.fonttype": "none",
    "svg.hashsalt": "data-card",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Interval:
    """A change for the better between its bounds, and the one that was required, in one unit."""

    label: str
    low: float
    change: float
    high: float
    required: float
    met: bool


def length_histogram(lengths: Lengths, *, limit: int | None) -> str:
    """Return the conversations by length; a line marks the length from which a model is not trained on."""
    widths = [high - low for low, high in zip(lengths.edges, lengths.edges[1:], strict=False)]
    return _bars(lengths.edges[:-1], lengths.counts, widths=widths, label=lengths.unit, mark=limit)


def turn_histogram(turns: Mapping[int, int]) -> str:
    """Return the conversations by number of messages, those with very many in the last bar."""
    first, last = min(turns), _last_shown(turns)
    width = -(-(last + 1 - first) // MOST_BARS)
    starts = range(first, last + 1, width)
    counts = [0] * len(starts)
    for size, rows in turns.items():
        counts[min((size - first) // width, len(starts) - 1)] += rows
    return _bars([start - 0.5 for start in starts], counts, widths=[width] * len(starts), label="messages", mark=None)


def _last_shown(turns: Mapping[int, int]) -> int:
    """Return the number of messages that 98 of 100 conversations do not exceed."""
    left = 0.98 * sum(turns.values())
    for size in sorted(turns):
        left -= turns[size]
        if left <= 0:
            return size
    return max(turns)


def _bars(
    starts: Sequence[float], heights: Sequence[int], *, widths: Sequence[float], label: str, mark: int | None
) -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its names are literals
        figure = Figure(SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        axes.bar(starts, heights, widths, align="edge", color=BARS, linewidth=0)
        if mark is not None and mark < starts[-1] + widths[-1]:
            axes.axvline(mark, color=TEXT, linestyle="--", linewidth=1)
        axes.set_xlabel(label)
        axes.set_ylabel("conversations")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        return drawn(figure)


LOSSES: Final = {
    "loss": ("training", "-"),
    "eval_loss": ("validation", "o-"),
    "dpo_loss": ("alignment", "-"),
    "dpo_eval_loss": ("alignment, validation", "o-"),
}
"""Metrics of a training job that are losses: what they are of, and how they are drawn."""


def draw_losses(figure: Figure, losses: Losses, *, colors: tuple[str, str]) -> None:
    """Draw (step, value) pairs by metric; an alignment's loss is another one, and has axes of its own."""
    parts = [[key for key in LOSSES if key in losses and key.startswith("dpo_") == is_dpo] for is_dpo in (False, True)]
    shown = [keys for keys in parts if keys]
    for axes, keys in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        for key, color in zip(keys, colors, strict=False):
            label, style = LOSSES[key]
            axes.plot(*zip(*losses[key], strict=True), style, label=label, markersize=4, color=color)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend(frameon=False)


def losses(curves: Losses) -> str:
    """Return the losses of a training job."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its names are literals
        figure = Figure((8.0, 2.8), layout="constrained")
        draw_losses(figure, curves, colors=(BARS, TEXT))
        return drawn(figure)


def drawn(figure: Figure) -> str:
    """Return a figure as SVG in the page's colors."""
    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    for placeholder, color in COLORS.items():
        svg = svg.replace(placeholder, color)
    return svg[svg.index("<svg") :]


def standalone(svg: str) -> str:
    """Return a picture as a file: with the colors of a release, light or dark as its reader's system is."""
    sheet = SHEET.read_text(encoding="utf-8")
    colors = sheet[sheet.index(":root {") : sheet.index("}") + 1]
    start = svg.index(">") + 1
    return f"{svg[:start]}\n<style>{colors} svg {{ color: var(--ink); background: var(--paper); }}</style>{svg[start:]}"


def forest(rows: Sequence[Interval]) -> str:
    """Return one line per rule: the change for the better with its interval, and a mark where it had to reach.

    All in standard deviations of the examples' differences, so that metrics of any unit stand side by side. A mark that
    is far beyond all intervals stands at the edge, as an arrow.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):  # type: ignore[arg-type]  # its names are literals
        figure = Figure((8.0, 0.9 + 0.42 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        left, right = _reach(rows)
        for place, row in enumerate(rows):
            color, line, fill = (BARS, "-", "full") if row.met else (TEXT, "--", "none")
            axes.plot([row.low, row.high], [place, place], linewidth=2, color=color, linestyle=line)
            axes.plot(row.change, place, "o" if row.met else "s", color=color, markersize=7, fillstyle=fill)
            mark, size = ("|", 16) if left < row.required < right else ("<" if row.required < 0 else ">", 6)
            place_of_mark = min(max(row.required, left), right)
            axes.plot(place_of_mark, place, mark, color=TEXT, markersize=size, markeredgewidth=2, clip_on=False)
        axes.axvline(0, color=TEXT, linewidth=0.6, alpha=0.6)
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.set_xlim(left, right)
        axes.set_xlabel("← worse · change in standard deviations · better →")
        return drawn(figure)


def _reach(rows: Sequence[Interval]) -> tuple[float, float]:
    """Return the ends of an axis on which no interval is small: they and 0, and half as much on either side."""
    low, high = min(0.0, *(row.low for row in rows)), max(0.0, *(row.high for row in rows))
    beyond = (high - low) / 2 or 1.0
    return low - beyond, high + beyond
