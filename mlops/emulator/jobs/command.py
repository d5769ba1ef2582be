"""What a command job runs: its text with inputs and outputs filled in, its environment, its wrapper."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_REFERENCE = re.compile(r"\$\{\{\s*(inputs|outputs)\.([\w.]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)

# The wrapper outlives a killed emulator and leaves the exit code for the next one to find.
_WRAPPER = 'bash -c "$1"; code=$?; echo "$code" > "$2.part"; mv "$2.part" "$2"; exit "$code"'


@dataclass(frozen=True)
class Input:
    """A literal (`type` is "literal") or the URI of a file or folder; no value means not given."""

    type: str
    value: str | None


@dataclass(frozen=True)
class Output:
    """The URI of a file or folder to be written, and the asset that it becomes, if it is named."""

    type: str
    uri: str
    asset_name: str | None = None
    asset_version: str | None = None


@dataclass(frozen=True)
class Step:
    """A command ready to run: `name` is the name of its run, `node` its place in a pipeline.

    `spec` is a component's specification, or what a command job says in its place.
    """

    node: str
    name: str
    spec: dict[str, Any]
    inputs: dict[str, Input]
    outputs: dict[str, Output]
    environment_variables: dict[str, str]
    compute: str | None
    display_name: str
    waits_for: frozenset[str] = frozenset()


def read_job(name: str, body: Mapping[str, Any], *, default_uri: Callable[[str, str], str]) -> Step:
    """Read a command job; an output that names no path goes to `default_uri(job, output)`."""
    outputs = (body.get("outputs") or {}).items()
    return Step(
        node=name,
        name=name,
        spec={
            "command": body["command"],
            "code": body.get("codeId"),
            "environment": body.get("environmentId"),
        },
        inputs={key: read_input(value) for key, value in (body.get("inputs") or {}).items()},
        outputs={key: read_output(value or {}, default_uri=default_uri(name, key)) for key, value in outputs},
        environment_variables=body.get("environmentVariables") or {},
        compute=body.get("computeId"),
        display_name=body.get("displayName") or name,
    )


def read_input(body: Mapping[str, Any]) -> Input:
    """Read an input as jobs (camel case) or the steps of pipelines (snake case) write it."""
    kind = body.get("jobInputType") or body.get("job_input_type") or body.get("type") or "literal"
    value = body.get("uri") if body.get("uri") is not None else body.get("value")
    return Input(kind, None if value is None else str(value))


def read_output(body: Mapping[str, Any], *, default_uri: str) -> Output:
    """Read an output as jobs or the steps of pipelines write it."""
    kind = body.get("jobOutputType") or body.get("job_output_type") or body.get("type") or "uri_folder"
    name, version = body.get("assetName") or body.get("name"), body.get("assetVersion") or body.get("version")
    return Output(kind, body.get("uri") or default_uri, name, version)


def resolve(text: str, *, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    """Fill in `${{inputs.x}}` and `${{outputs.y}}`; an optional `$[[…]]` part stays if its inputs were given."""

    def fill(match: re.Match[str]) -> str:
        values: Mapping[str, str | None] = inputs if match[1] == "inputs" else outputs
        return values.get(match[2]) or ""

    def keep(match: re.Match[str]) -> str:
        names = [name for kind, name in _REFERENCE.findall(match[1]) if kind == "inputs"]
        return match[1] if all(inputs.get(name) is not None for name in names) else ""

    return _REFERENCE.sub(fill, _OPTIONAL.sub(keep, text))


def undefined(text: str, *, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[str]:
    """Return the references of a command that name no input or output."""
    known = {"inputs": inputs, "outputs": outputs}
    return [f"{kind}.{name}" for kind, name in _REFERENCE.findall(text) if name not in known[kind]]


def wrap(command: str, *, exit_file: Path) -> list[str]:
    """Return the arguments of a process that runs the command and then writes its exit code."""
    return ["bash", "-c", _WRAPPER, "step", command, str(exit_file)]


def environment(inputs: Mapping[str, str | None], outputs: Mapping[str, str], *, stands_in: bool) -> dict[str, str]:
    """Return the variables a step starts with: the emulator's own, and Azure ML's names for data paths.

    A step of the user's sees only its own snapshot; a command that stands in for a component of the
    registry comes from where the emulator itself was imported.
    """
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if stands_in:
        variables["PYTHONPATH"] = str(Path(__file__).parents[3])
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    variables["PYTHONUNBUFFERED"] = "1"  # the log is followed while the step runs
    variables |= {f"AZURE_ML_INPUT_{name}": path for name, path in inputs.items() if path is not None}
    return variables | {f"AZURE_ML_OUTPUT_{name}": path for name, path in outputs.items()}
