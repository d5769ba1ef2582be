"""Whether a foundation model can still be fine-tuned: its dates, and whether the registry has archived it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

TASK = "chat-completion"


@dataclass(frozen=True)
class Lifecycle:
    """From when on a model is deprecated (no new deployments) and retired (gone), where the registry says so."""

    deprecation: date | None
    retirement: date | None
    is_archived: bool

    def over(self, today: date) -> str | None:
        """Return why the model is not to be trained any more, or None."""
        if self.retirement and self.retirement <= today:
            return f"was retired on {self.retirement}"
        return "is archived" if self.is_archived else None

    def describe(self, today: date) -> str:
        """Say where in its life the model is."""
        if reason := self.over(today):
            return reason
        dates = [("deprecated", self.deprecation), ("retired", self.retirement)]
        return ", ".join(_dated(word, day, today) for word, day in dates if day) or "no end announced"


def lifecycle(tags: Mapping[str, str], *, is_archived: bool) -> Lifecycle:
    """Return what a model's tags say of fine-tuning it; dates are ISO 8601.

    >>> lifecycle({"FinetuneRetirementDate": "2025-08-30"}, is_archived=False).over(date(2026, 1, 1))
    'was retired on 2025-08-30'
    """
    return Lifecycle(_date(tags.get("FinetuneDeprecationDate")), _date(tags.get("FinetuneRetirementDate")), is_archived)


def is_tunable(properties: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    """Return whether the registry has fine-tune metadata for chat."""
    tasks = properties.get("finetuning-tasks") or tags.get("finetuning-tasks") or ""
    return TASK in tasks and "model_specific_defaults" in tags


def _date(text: str | None) -> date | None:
    return date.fromisoformat(text[:10]) if text else None


def _dated(word: str, day: date, today: date) -> str:
    return f"{'to be ' if day > today else ''}{word} {'on' if day > today else 'since'} {day}"
