"""Is a decision what its examples and its rules give? It is judged again and compared, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlops.gates.engine import decide
from mlops.gates.rules import GateSettings
from mlops.records import leaves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlops.gates.scores import Scores
    from mlops.records import GateDecision

MOST: Final = 3
"""Of the fields that are named."""


def disagreements(decision: GateDecision, scores: Scores) -> Iterator[str]:
    """Yield what a decision says otherwise than its examples, judged again by its own rules."""
    again = decide(decision.evaluation, scores, GateSettings.model_validate(decision.rules), now=decision.decided.at)
    for name in ("verdict", "reference", "results", "flaws"):
        if getattr(again, name) != getattr(decision, name):
            yield f"the examples give another {name} than it says"


def other_rules(decision: GateDecision, settings: GateSettings) -> Iterator[str]:
    """Yield by which other rules than those of the settings a decision was made."""
    before, now = (dict(leaves(each, "gate")) for each in (decision.rules, rules(settings)))
    fields = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    yield from (f"{name} was {_value(before.get(name))}, is {_value(now.get(name))}" for name in fields[:MOST])
    if len(fields) > MOST:
        yield f"and {len(fields) - MOST} more"


def _value(value: object) -> object:
    return "not set" if value is None else value


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
