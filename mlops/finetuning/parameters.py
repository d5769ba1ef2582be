"""The parameters of a job: the settings' and the model's own defaults, each with where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from mlops.compute.allow_list import literal
from mlops.errors import InputError
from mlops.finetuning.interface import as_input

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.records import Parameter


@dataclass(frozen=True)
class Parameters:
    """The parameters of a job, where each came from, and which defaults of the model the component does not take."""

    values: dict[str, Parameter]
    origins: dict[str, str]
    dropped: dict[str, Parameter]


def merge(
    settings: Mapping[str, Parameter],
    *,
    tags: Mapping[str, str],
    inputs: Mapping[str, Any],
    insist: tuple[str, ...],
) -> Parameters:
    """Return the settings overridden by the model's `model_specific_defaults`, except where the settings insist.

    The registry adds keys to those defaults that `chat_completion_pipeline` has no inputs for (learning_rate_min);
    handing them on would be refused, so they are dropped. Values take the type of the component's input.

    Raises InputError for a setting that is no input, or that its input does not take.
    """
    defaults: dict[str, Parameter] = literal(tags.get("model_specific_defaults", "{}"))
    known = {name: _as_input("finetune", name, value, inputs) for name, value in defaults.items() if name in inputs}
    chosen = _checked("finetune", settings, inputs)
    overriding = {name: value for name, value in known.items() if not (name in insist and name in chosen)}
    origins = {name: _insisted(value, known.get(name)) for name, value in chosen.items()}
    origins |= {name: _origin(chosen.get(name, value), value) for name, value in overriding.items()}
    return Parameters(
        chosen | overriding, origins, {name: value for name, value in defaults.items() if name not in known}
    )


def follow(first: Parameters, settings: Mapping[str, Parameter], *, inputs: Mapping[str, Any]) -> Parameters:
    """Return the parameters of a second step: its own settings, and what it takes of the first step's.

    Raises InputError for a setting that is no input, or that its input does not take.
    """
    own = _checked("finetune.dpo", settings, inputs)
    same = {name: value for name, value in first.values.items() if name in inputs and name not in own}
    origins = dict.fromkeys(own, "finetune.dpo") | dict.fromkeys(same, "as in the first step")
    return Parameters(same | own, origins, {})


def _checked(where: str, settings: Mapping[str, Parameter], inputs: Mapping[str, Any]) -> dict[str, Parameter]:
    if unknown := sorted(settings.keys() - inputs.keys()):
        raise InputError("; ".join(_no_input(where, name, inputs) for name in unknown))
    return {name: _as_input(where, name, value, inputs) for name, value in settings.items()}


def _as_input(where: str, name: str, value: Parameter, inputs: Mapping[str, Any]) -> Parameter:
    try:
        return as_input(value, inputs[name])
    except InputError as error:
        raise InputError(f"{where}: {name} = {value!r}: {error}") from None


def _no_input(where: str, name: str, inputs: Mapping[str, Any]) -> str:
    near = get_close_matches(name, inputs, n=1)
    rest = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(inputs)}"
    return f"{where}: {name} is no input of the component; {rest}"


def _insisted(value: Parameter, default: Parameter | None) -> str:
    return "settings" if default in (None, value) else f"settings, insisting on it instead of the model's {default}"


def _origin(setting: Parameter, default: Parameter) -> str:
    return "model default" if setting == default else f"model default, instead of {setting}"
