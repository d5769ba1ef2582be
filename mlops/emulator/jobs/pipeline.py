"""The graph of a pipeline job: its steps, what each waits for, and where data flows between them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mlops.emulator.arm import snake_case
from mlops.emulator.errors import bad_request
from mlops.emulator.jobs import components, history, sweep
from mlops.emulator.jobs.bindings import bind_input, bind_output, bind_text, producers
from mlops.emulator.jobs.command import Input, Output, Step, read_input, read_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.jobs.components import Spec
    from mlops.emulator.store import Store

Body = dict[str, Any]

# What Azure ML also runs and this emulator does not: parallel, import, spark, automl, if_else, do_while …
_KINDS = ("command", "sweep", "pipeline")


@dataclass(frozen=True)
class Scope:
    """What the steps of one pipeline may refer to, and what holds for all of them."""

    job: str
    inputs: dict[str, Input]
    outputs: dict[str, Output]
    compute: str | None
    datastore: str
    may_miss_inputs: bool


def read(store: Store, job: str, body: Mapping[str, Any]) -> list[Step]:
    """Return the steps of a pipeline job as it was submitted, or of a pipeline inside another.

    Raise ArmError (400) for a step of an unknown kind, an unknown component, wrong inputs, a binding
    to nothing and a cycle: the service refuses such a job at submission.
    """
    settings = body.get("settings") or {}
    scope = Scope(
        job=job,
        inputs={name: read_input(value or {}) for name, value in (body.get("inputs") or {}).items()},
        outputs=outputs(job, body),
        compute=settings.get("default_compute") or body.get("computeId"),
        datastore=_datastore(settings),
        may_miss_inputs=_is_true(settings.get("continue_run_on_failed_optional_input", True)),
    )
    nodes = body.get("jobs") or {}
    specs = {node: _spec(store, each, node) for node, each in nodes.items()}
    produced = {key: value for node in nodes for key, value in _produced(scope, specs[node], nodes[node], node).items()}
    steps = [_step(scope, specs[node], each, node, produced) for node, each in nodes.items()]
    _refuse_cycles(steps)
    return steps


def outputs(job: str, body: Mapping[str, Any]) -> dict[str, Output]:
    """Return where the outputs of the pipeline as a whole go."""
    default_uri = partial(history.output_uri, datastore=_datastore(body.get("settings") or {}))
    declared = (body.get("outputs") or {}).items()
    return {name: read_output(value or {}, job=job, name=name, default_uri=default_uri) for name, value in declared}


def continues_on_failure(body: Mapping[str, Any]) -> bool:
    """Return whether independent steps go on when one has failed; the service's default is that they do."""
    setting = (body.get("settings") or {}).get("continue_on_step_failure")
    return setting is None or _is_true(setting)


def nested(step: Step, settings: Mapping[str, Any]) -> Body:
    """Return the step's pipeline component as a job's body, inputs and outputs bound; the settings are the root's."""
    return {
        "jobs": step.spec["jobs"],
        "inputs": {
            name: {"type": given.type, "value": given.value, "mode": given.mode} for name, given in step.inputs.items()
        },
        "outputs": {
            name: {
                "type": output.type,
                "uri": output.uri,
                "mode": output.mode,
                "assetName": output.asset_name,
                "assetVersion": output.asset_version,
            }
            for name, output in step.outputs.items()
        },
        "settings": {**settings, "default_compute": step.compute},
    }


def child_name(job: str, node: str) -> str:
    """Return the name of a step's run: the same whenever it is asked for, so that a restart finds it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job}/{node}"))


def _spec(store: Store, body: Mapping[str, Any], node: str) -> Spec:
    kind = body.get("type", "command")
    if kind not in _KINDS:
        raise bad_request(f"Step {node}: jobs of type {kind!r} are not emulated; only {', '.join(_KINDS)} are.")
    component = (body.get("trial") or {}).get("componentId") if kind == "sweep" else body.get("componentId")
    if not component:
        raise bad_request(f"Step {node} names no component.")
    return components.find(store, component)


def _produced(scope: Scope, spec: Spec, body: Mapping[str, Any], node: str) -> dict[tuple[str, str], Output]:
    default_uri = partial(history.output_uri, datastore=scope.datastore)
    job, given = child_name(scope.job, node), body.get("outputs") or {}
    return {
        (node, name): bind_output(
            {**(rule or {}), **(given.get(name) or {})}, scope.outputs, job=job, name=name, default_uri=default_uri
        )
        for name, rule in (spec.get("outputs") or {}).items()
    }


def _step(
    scope: Scope, spec: Spec, body: Mapping[str, Any], node: str, produced: Mapping[tuple[str, str], Output]
) -> Step:
    tried = sweep.read(body, where=f"Step {node}") if body.get("type") == "sweep" else None
    raw = {key: read_input(value) for key, value in (body.get("inputs") or {}).items()}
    bound = {key: bind_input(value, scope.inputs, produced, where=f"{node}.{key}") for key, value in raw.items()}
    optional = {key for key in raw if scope.may_miss_inputs and components.is_optional(spec, key)}
    needed = {owner for key, value in raw.items() if key not in optional for owner in producers(value)}
    # What a step says about its processes replaces what its component says.
    more = {key: snake_case(body.get(key) or spec.get(key) or {}) for key in ("resources", "limits", "distribution")}
    nodes = bind_text(more["resources"].get("instance_count"), scope.inputs, where=f"{node}.resources")
    return Step(
        node=node,
        name=child_name(scope.job, node),
        spec=spec,
        inputs=components.complete(spec, bound, step=node, tried=tried.space if tried else {}),
        outputs={name: output for (owner, name), output in produced.items() if owner == node},
        environment_variables={**_variables(spec), **_variables(body)},
        compute=bind_text(body.get("computeId") or scope.compute, scope.inputs, where=f"{node}.compute"),
        display_name=body.get("display_name") or body.get("displayName") or node,
        distribution=more["distribution"],
        num_nodes=int(nodes or 1),
        timeout=None if tried else more["limits"].get("timeout"),
        sweep=tried,
        waits_for=frozenset(needed),
        prefers={key: frozenset(producers(raw[key]) - needed) for key in optional},
    )


def _variables(body: Mapping[str, Any]) -> dict[str, str]:
    return body.get("environment_variables") or {}


def _datastore(settings: Mapping[str, Any]) -> str:
    return str(settings.get("default_datastore") or history.DATASTORE).rpartition("/")[2]


def _is_true(setting: Any) -> bool:
    return str(setting).lower() == "true"


def _refuse_cycles(steps: list[Step]) -> None:
    done: set[str] = set()
    waiting = list(steps)
    while ready := [step for step in waiting if step.waits_for.union(*step.prefers.values()) <= done]:
        done |= {step.node for step in ready}
        waiting = [step for step in waiting if step.node not in done]
    if waiting:
        raise bad_request(f"The pipeline has a cycle through {', '.join(step.node for step in waiting)}.")
