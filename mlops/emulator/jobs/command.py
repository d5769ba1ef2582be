"""What a command job is: its inputs, outputs and text, as the SDK writes them in jobs and in steps of pipelines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlops.emulator.arm import snake_case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlops.emulator.jobs.sweep import Sweep

_REFERENCE = re.compile(r"\$\{\{\s*(inputs|outputs|search_space)\.([\w.]+)\s*\}\}")
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
# Jobs write modes one way, components the other.
_MODES = {
    "ReadOnlyMount": "ro_mount",
    "ReadWriteMount": "rw_mount",
    "Download": "download",
    "Direct": "direct",
    "EvalMount": "eval_mount",
    "EvalDownload": "eval_download",
    "Upload": "upload",
}


@dataclass(frozen=True)
class Input:
    """A literal (`type` is "literal") or the URI of a file or folder; no value means not given."""

    type: str
    value: str | None
    mode: str | None = None


@dataclass(frozen=True)
class Output:
    """The URI of a file or folder to be written, and the asset that it becomes, if it is named."""

    type: str
    uri: str
    mode: str | None = None
    asset_name: str | None = None
    asset_version: str | None = None


@dataclass(frozen=True)
class Step:
    """A command ready to run: `name` is the name of its run, `node` its place in a pipeline.

    `spec` is a component's specification, or what a command job says in its place; `sweep` says how
    the step is run many times over. The step waits for `waits_for`; each of its optional inputs
    in `prefers` is left out when one of the steps named there fails.
    """

    node: str
    name: str
    spec: dict[str, Any]
    inputs: dict[str, Input]
    outputs: dict[str, Output]
    environment_variables: dict[str, str]
    compute: str | None
    display_name: str
    distribution: dict[str, Any]
    num_nodes: int = 1
    timeout: str | None = None
    sweep: Sweep | None = None
    services: tuple[str, ...] = ()
    waits_for: frozenset[str] = frozenset()
    prefers: dict[str, frozenset[str]] = field(default_factory=dict)


def read_job(name: str, body: Mapping[str, Any], *, default_uri: Callable[[str, str], str]) -> Step:
    """Read a command job; an output that names no path goes to `default_uri(job, output)`."""
    outputs = (body.get("outputs") or {}).items()
    more = {key: snake_case(body.get(key) or {}) for key in ("resources", "limits", "distribution")}
    return Step(
        node=name,
        name=name,
        spec={
            "command": body["command"],
            "code": body.get("codeId"),
            "environment": body.get("environmentId"),
        },
        inputs={key: read_input(value) for key, value in (body.get("inputs") or {}).items()},
        outputs={key: read_output(value or {}, job=name, name=key, default_uri=default_uri) for key, value in outputs},
        environment_variables=body.get("environmentVariables") or {},
        compute=body.get("computeId"),
        display_name=body.get("displayName") or name,
        distribution=more["distribution"],
        num_nodes=int(more["resources"].get("instance_count") or 1),
        timeout=more["limits"].get("timeout"),
        services=tuple(body.get("services") or {}),
    )


def read_input(body: Mapping[str, Any]) -> Input:
    """Read an input as jobs (camel case) or the steps of pipelines (snake case) write it."""
    kind = body.get("jobInputType") or body.get("job_input_type") or body.get("type") or "literal"
    value = body.get("uri") if body.get("uri") is not None else body.get("value")
    return Input(kind, None if value is None else str(value), read_mode(body))


def read_output(body: Mapping[str, Any], *, job: str, name: str, default_uri: Callable[[str, str], str]) -> Output:
    """Read an output of `job` as jobs or the steps of pipelines write it."""
    kind = body.get("jobOutputType") or body.get("job_output_type") or body.get("type") or "uri_folder"
    asset = body.get("assetName") or body.get("name"), body.get("assetVersion") or body.get("version")
    uri = str(body.get("uri") or default_uri(job, name))
    if kind == "uri_file":
        uri = uri.rstrip("/")
    for key, value in (("name", job), ("output_name", name), ("default_datastore", "workspaceblobstore")):
        uri = uri.replace("${{" + key + "}}", value)
    return Output(kind, uri, read_mode(body), *asset)


def read_mode(body: Mapping[str, Any]) -> str | None:
    """Return how data comes and goes, in the words of components."""
    mode = body.get("mode")
    return _MODES.get(mode, mode) if mode else None


def resolve(text: str, *, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    """Fill in `${{inputs.x}}` and `${{outputs.y}}`; an optional `$[[…]]` part stays if its inputs were given."""

    def fill(match: re.Match[str]) -> str:
        values: Mapping[str, str | None] = outputs if match[1] == "outputs" else inputs
        return values.get(match[2]) or ""

    def keep(match: re.Match[str]) -> str:
        names = [name for kind, name in _REFERENCE.findall(match[1]) if kind == "inputs"]
        return match[1] if all(inputs.get(name) is not None for name in names) else ""

    return _REFERENCE.sub(fill, _OPTIONAL.sub(keep, text))


def undefined(text: str, *, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> list[str]:
    """Return the references of a command that name no input or output; optional parts may name inputs not given."""
    known = {"inputs": inputs, "search_space": inputs, "outputs": outputs}
    required = _OPTIONAL.sub("", text)
    return [f"{kind}.{name}" for kind, name in _REFERENCE.findall(required) if name not in known[kind]]
