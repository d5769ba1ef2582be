"""Is a decision what its examples and its rules give? It is judged again and compared, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.gates.engine import decide
from mlops.gates.rules import GateSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.gates.scores import Scores
    from mlops.records import GateDecision


def disagreements(decision: GateDecision, scores: Scores, settings: GateSettings) -> Iterator[str]:
    """Yield what is not right about a decision: other rules than the settings', another result than its examples'."""
    if decision.rules != rules(settings):
        yield "it was made by other rules than those of the settings"
    again = decide(decision.evaluation, scores, GateSettings.model_validate(decision.rules), now=decision.decided.at)
    for name in ("verdict", "reference", "results", "flaws"):
        if getattr(again, name) != getattr(decision, name):
            yield f"the examples give another {name} than it says"


def rules(settings: GateSettings) -> dict[str, Any]:
    """Return the settings as a decision keeps them; an override is the decision's own."""
    return settings.model_dump(mode="json", exclude={"override"})


def signature(decision: GateDecision) -> dict[str, str]:
    """Return the tags that say who overrode the gate, and why; none of a decision that is the gate's own."""
    return {} if decision.override is None else {"override": decision.override, "decided_by": decision.decided.by}


def mismatches(expected: Mapping[str, str], tags: Mapping[str, str], *, where: str) -> Iterator[str]:
    """Yield the tags of an asset or a job that do not say what a record says."""
    for name, value in expected.items():
        if (found := tags.get(name)) != value:
            yield f"{where} has the tag {name} = {found and found[:12]}, the record says {value[:12]}"
