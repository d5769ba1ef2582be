"""The tables of a release: as text in the terminal, as Markdown in GitHub's step summary."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from mlops.reports.figures import signed
from mlops.times import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.datasets.drift import Distance, Drift
    from mlops.datasets.settings import DriftSettings
    from mlops.finetuning.parameters import Parameters
    from mlops.records import FinetuningPlan, GateDecision, Rollout

SUMMARY = "GITHUB_STEP_SUMMARY"
SHORT = 12
"""Characters of the longest cells that are not broken where a table is too wide."""


@dataclass(frozen=True)
class Table:
    """A title, a heading per column, and rows of text."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown."""
        lines = [self.headings, ("---",) * len(self.headings), *self.rows]
        return f"### {self.title}\n\n" + "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"

    def rich(self) -> RichTable:
        """Return the table for a terminal."""
        table = RichTable(title=self.title, title_justify="left")
        for number, heading in enumerate(self.headings):
            is_short = all(len(row[number]) <= SHORT for row in self.rows)
            table.add_column(heading, overflow="fold", no_wrap=is_short)
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table


def terminal() -> Console:
    """Return the console: as wide as a terminal is, 100 columns in a log.

    It keeps the stream it starts with: what the SDK prints of a job's log is caught on its way there.
    """
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else 100)


def show(console: Console, table: Table) -> None:
    """Print a table, and add it to the step summary when GitHub runs us."""
    console.print(table.rich())
    note(table.markdown())


def note(markdown: str) -> None:
    """Add Markdown to GitHub's step summary, where GitHub runs us."""
    if path := os.environ.get(SUMMARY):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(markdown + "\n")


def decision(record: GateDecision) -> Table:
    """Return what each rule said, the candidate beside its reference; an override and flaws are never left out."""
    rows = tuple(
        (
            (result.rule if result.slice is None else f"  {result.slice}")
            + (" (warns)" if result.severity == "warn" else ""),
            f"{result.num_examples:,}",
            f"{result.candidate:.4f}",
            "" if result.reference is None else f"{result.reference:.4f}",
            signed(result.change),
            f"{signed(result.low)} to {signed(result.high)}",
            signed(result.required),
            str(result.verdict),
        )
        for result in record.results
    )
    flaws = tuple((f"{flaw.code}: {flaw.detail}", *[""] * 6, "rejected") for flaw in record.flaws)
    headings = ("rule", "examples", "candidate", "reference", "better by", "interval", "required", "verdict")
    return Table(f"Gate: {record.outcome}, compared with the {record.reference}", headings, (*flaws, *rows))


def recipe(expected: FinetuningPlan, *steps: Parameters, max_usd: float) -> tuple[Table, ...]:
    """Return what a fine-tuning job is made of and will take, and the parameters of its steps."""
    rows = (
        *expected.facts,
        ("effective batch", f"{expected.effective_batch} conversations, {expected.steps:,} steps"),
        ("tokens", f"{expected.tokens:,} at {expected.tokens_per_s:,.0f}/s ({expected.throughput})"),
        ("price", f"{expected.num_nodes} x {expected.price}"),
        ("time", duration(3600 * expected.hours)),
        ("cost", f"{expected.usd:.2f} USD; at most {max_usd:g} (budget.max_usd)"),
    )
    titles = ("Fine-tuning parameters", "Alignment parameters")
    parameters = (_parameters(title, merged) for title, merged in zip(titles, steps, strict=False))
    return Table("Fine-tuning plan", ("", ""), tuple(rows)), *parameters


def _parameters(title: str, merged: Parameters) -> Table:
    """Return the parameters of a step, where each came from, and which of the model's defaults were dropped."""
    kept = [(name, str(value), merged.origins[name]) for name, value in sorted(merged.values.items())]
    dropped = [
        (name, str(value), "model default, dropped: the component has no such input")
        for name, value in sorted(merged.dropped.items())
    ]
    return Table(title, ("parameter", "value", "from"), (*kept, *dropped))


def steps(record: Rollout) -> Table:
    """Return what each step of a rollout showed."""
    rows = tuple((f"{step.weight} %", str(step.num_requests), step.verdict, step.reason) for step in record.steps)
    return Table(f"Rollout: {record.phase}", ("weight", "requests", "verdict", "new deployment"), rows)


def drift(found: Drift, limits: DriftSettings) -> Table:
    """Return how a newer training set differs from an older one, beside what chance gives and what is much."""
    rows = (
        ("conversations", f"{found.num_old:,} to {found.num_new:,}", "", ""),
        ("new", f"{found.new_percentage:.1f} %", "", f"{limits.max_new_percentage:g} %"),
        ("removed", f"{found.removed_percentage:.1f} %", "", ""),
        _distance(f"length in {found.unit}", found.length, limits.max_length_change),
        _distance("words", found.vocabulary, limits.max_vocabulary_change),
    )
    return Table("Training data", ("", "change", "by chance", "much is more than"), rows)


def _distance(name: str, found: Distance, limit: float) -> tuple[str, str, str, str]:
    return name, f"{found.measured:.3f}", f"{found.chance:.3f}", f"{limit:g} above chance"


def traffic(endpoint: str, weights: Mapping[str, int], models: Mapping[str, str]) -> Table:
    """Return which deployment of an endpoint serves which model to how many users."""
    rows = tuple(
        (name, f"{weight} %", "█" * -(-weight // 10), models.get(name, "")) for name, weight in sorted(weights.items())
    )
    return Table(f"Endpoint {endpoint}", ("deployment", "traffic", "", "model"), rows)
