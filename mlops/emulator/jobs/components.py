"""The components that pipeline steps name: their specifications, and the rules their inputs must keep."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops.emulator.errors import bad_request, not_found
from mlops.emulator.jobs.command import Input, read_mode
from mlops.emulator.registry import catalog

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mlops.emulator.store import Store

Spec = dict[str, Any]

STAND_IN = "x-emulator"

_REGISTRY = re.compile(r"azureml://registries/[^/]+/components/[^/]+/versions/[^/]+", re.IGNORECASE)
_NUMBERS = {"integer": int, "number": float}
_LITERALS = frozenset({"string", "boolean", *_NUMBERS})


def find(store: Store, component_id: str) -> Spec:
    """Return the specification of a component in the workspace or a registry."""
    if _REGISTRY.fullmatch(component_id):
        document = catalog.component(store, component_id)
    else:
        document = store.get(component_id.removeprefix("azureml:"))
    if document is None:
        raise not_found(f"Component {component_id}")
    spec: Spec = document["properties"]["componentSpec"]
    return spec


def is_pipeline(spec: Spec) -> bool:
    """Return whether the component is itself a pipeline, with no command that stands in for it."""
    return bool(spec.get("jobs")) and STAND_IN not in spec


def is_optional(spec: Spec, name: str) -> bool:
    """Return whether a step of the component may go without the input."""
    return _is_true(((spec.get("inputs") or {}).get(name) or {}).get("optional", False))


def complete(
    spec: Spec, given: Mapping[str, Input], *, step: str, tried: Collection[str] = frozenset()
) -> dict[str, Input]:
    """Return the inputs of a step with the component's defaults filled in; those that a sweep tries come later.

    Raise ArmError (400) for an input the component does not have, a required one that is missing, and
    a literal that is not one of the allowed values, no number, or out of range.
    """
    declared: dict[str, Any] = spec.get("inputs") or {}
    if unknown := sorted({*given, *tried} - set(declared)):
        raise bad_request(f"Step {step}: component {spec['name']} has no input {', '.join(map(repr, unknown))}.")
    complete = {name: _or_default(given.get(name), rule) for name, rule in declared.items() if name not in tried}
    for name, rule in declared.items():
        if name in tried:
            continue
        _check(complete[name], rule, where=f"Step {step}: input {name!r} of component {spec['name']}")
    return complete


def _or_default(given: Input | None, rule: Mapping[str, Any]) -> Input:
    kind = "literal" if str(rule["type"]).lower() in _LITERALS else rule["type"]
    if given is not None and given.value is not None:
        return replace(given, type=kind if given.type == "literal" else given.type, mode=given.mode or read_mode(rule))
    default = rule.get("default")
    return Input(kind, None if default is None else str(default), read_mode(rule))


def _check(given: Input, rule: Mapping[str, Any], *, where: str) -> None:
    if given.value is None:
        if not _is_true(rule.get("optional", False)):
            raise bad_request(f"{where} is required but missing.")
    elif rule.get("enum") and given.value not in map(str, rule["enum"]):
        raise bad_request(f"{where} is {given.value!r}; allowed values: {', '.join(map(str, rule['enum']))}.")
    elif rule["type"] in _NUMBERS:
        _check_number(given.value, rule, where=where)


def _check_number(value: str, rule: Mapping[str, Any], *, where: str) -> None:
    try:
        number = _NUMBERS[rule["type"]](value)
    except ValueError:
        raise bad_request(f"{where} is {value!r}, which is not of type {rule['type']}.") from None
    low, high = rule.get("min"), rule.get("max")
    if (low is not None and number < float(low)) or (high is not None and number > float(high)):
        raise bad_request(f"{where} is {value}; it must be between {low} and {high}.")


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"
