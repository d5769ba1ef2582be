"""The `${{parent.…}}` expressions of pipelines: what they name, and which steps they wait for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops.emulator.errors import bad_request
from mlops.emulator.jobs.command import Input, Output, read_mode, read_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Produced = Mapping[tuple[str, str], Output]

_BINDING = re.compile(r"\$\{\{\s*parent\.(?:(inputs|outputs)\.([\w.]+)|jobs\.(\w+)\.outputs\.(\w+))\s*\}\}")


def producers(value: Input) -> set[str]:
    """Return the steps whose outputs an input names."""
    return {match[3] for match in _BINDING.finditer(value.value or "") if match[3]}


def bind_input(given: Input, inputs: Mapping[str, Input], produced: Produced, *, where: str) -> Input:
    """Return the input with what it names in its place; raise ArmError (400) for what does not exist.

    `produced` holds the output of each (step, output).
    """

    def look_up(match: re.Match[str]) -> Input:
        if match[1] == "inputs" and match[2] in inputs:
            return inputs[match[2]]
        if match[3] and (match[3], match[4]) in produced:
            output = produced[match[3], match[4]]
            return Input(output.type, output.uri)
        raise bad_request(f"{where} is bound to {match[0]}, which does not exist.")

    if given.value is None:
        return given
    if match := _BINDING.fullmatch(given.value):
        found = look_up(match)
        return replace(found, mode=given.mode or found.mode)
    return replace(given, value=_BINDING.sub(lambda match: look_up(match).value or "", given.value))


def bind_text(text: Any, inputs: Mapping[str, Input], *, where: str) -> str | None:
    """Return a setting of a step, such as its compute, that may name an input of the pipeline."""
    given = Input("literal", None if text is None else str(text))
    return bind_input(given, inputs, {}, where=where).value


def bind_output(
    body: Mapping[str, Any],
    outputs: Mapping[str, Output],
    *,
    job: str,
    name: str,
    default_uri: Callable[[str, str], str],
) -> Output:
    """Return where a step writes an output: to the pipeline's, if it is bound to one."""
    match = _BINDING.fullmatch(str(body.get("value") or ""))
    if match and match[1] == "outputs" and match[2] in outputs:
        found = outputs[match[2]]
        return replace(found, mode=found.mode or read_mode(body))
    return read_output(body, job=job, name=name, default_uri=default_uri)
